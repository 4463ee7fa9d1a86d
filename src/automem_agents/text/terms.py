"""Terms for lexical search: lower-cased words, English stop words dropped, stemmed."""

from __future__ import annotations

import re
import threading
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"\w+")
_SHORTEST, _LONGEST = 2, 99  # letters of a term
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
    return tuple([_stem(w) for w in lowered_words(text) if w not in _STOP and _SHORTEST <= len(w) <= _LONGEST])


@lru_cache(maxsize=256)  # by the cues, too, and by what looks for a fact
def lowered_words(text: str) -> tuple[str, ...]:
    """Return the words and numbers of ``text`` in order, lower-cased.

    Examples:
        >>> lowered_words("I'm 42!")
        ('i', 'm', '42')
    """
    return tuple(_WORD.findall(text.lower()))
