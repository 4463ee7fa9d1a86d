"""Terms for lexical search: lower-cased words, English stop words dropped, stemmed."""

from __future__ import annotations

import re
import threading
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"\b\w\w+\b")
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    ]
)
_local = threading.local()


def _stemmer() -> Stemmer.Stemmer:
    # A Snowball stemmer keeps a cache of its own and must not be shared between threads.
    if not hasattr(_local, "stemmer"):
        _local.stemmer = Stemmer.Stemmer("english")
    stemmer: Stemmer.Stemmer = _local.stemmer
    return stemmer


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


def terms(text: str) -> list[str]:
    """Return the search terms of ``text`` in order, repeats included.

    The stop words are Lucene's English list, the stemmer is Snowball English.

    Examples:
        >>> terms("The dogs were running")
        ['dog', 'were', 'run']
    """
    return list(_terms(text))


@lru_cache(maxsize=256)  # a text is looked at by the features and by the working set
def _terms(text: str) -> tuple[str, ...]:
    return tuple([_stem(w) for w in _WORD.findall(text.lower()) if w not in _STOP and len(w) < 100])
