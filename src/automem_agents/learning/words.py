"""The words of a text that tell where it comes from, and its sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from automem_agents.text.terms import terms

LIMIT = 10_000  # characters of a text that are looked at, so that a huge one costs no more than a long one

# Words that any text may have, whatever it is about, beyond the index's few.
_FUNCTION = frozenset(
    terms(
        """
        about actually after again all almost already also although always am among any anymore anyone anything around
        away because been before being below between both came can cannot come could did didn do does doesn doing don
        done down during each either else enough etc even ever every everything exact exactly few first from further get gets
        getting give given go goes going gone got had hadn has hasn have haven having he her here hers herself him
        himself his how however its itself just kind last least less like likely ll lot made make makes many maybe me
        might mine more most much must my myself near need never new next nor now off oh okay ok once one only other
        others our ours out over own perhaps please pretty quite rather re really right said same say says see seem seems
        shall she should since so some someone something soon still sure take than thank thanks them themselves thing
        things think those though through time too two um under until up upon us use used using usual usually ve very
        via want wanted was wasn way we well went were weren what when where whether which while who whole whom whose
        why within without would wouldn yeah yes yet you your yours yourself
        """
    )
)
# How agents talk about their answers.
_TALK = frozenset(
    terms(
        """
        according answer answered answers apologies apologize appear appears ask asked asking assist assistant based
        certainly chat clarify context conversation conversations correct detail details discuss discussed discussion
        earlier find follow following found glad good great happy help helpful helps hope information
        know known let look looked looking looks mean memory mention mentioned mentions message messages note noted
        notes previous previously provide provided question questions recall recalled record recorded records
        refer regarding remember remembered replied reply request respond response sorry stated tell told understand unfortunately wonder
        """
    )
)
_FILLER = _FUNCTION | _TALK
_SENTENCE_ENDS = re.compile(r"(?<=[.!?;:])\s+|[\n。！？]+")
_MESSAGE_ENDS = re.compile(r"(?<=[.!?;])\s+|\n+")  # "The log says: wrong password" is one sentence


def content(text: str) -> list[str]:
    """Return the search terms of a text without those that any answer may have, in order, repeats included.

    Examples:
        >>> content("You told me that your sister lives in Lyon")
        ['sister', 'live', 'lyon']
    """
    return [term for term in terms(text[:LIMIT]) if term not in _FILLER]


def question_content(text: str) -> frozenset[str]:
    """Return what a question asks about: its search terms but for function words.

    Examples:
        >>> sorted(question_content("Which records did she buy?"))
        ['buy', 'record']
    """
    return frozenset(terms(text[:LIMIT])) - _FUNCTION


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a line ends one, too.

    Examples:
        >>> sentences("She moved. Where to? Lyon")
        ['She moved.', 'Where to?', 'Lyon']
    """
    return [part for part in _SENTENCE_ENDS.split(text[:LIMIT]) if part]


def statements(text: str) -> list[str]:
    """Return the sentences of a message that aren't questions.

    Examples:
        >>> statements("Wait. Is it Rome? I said: Lyon")
        ['Wait.', 'I said: Lyon']
    """
    said = (sentence.strip() for sentence in _MESSAGE_ENDS.split(text[:LIMIT]))
    return [sentence for sentence in said if sentence and not sentence.endswith("?")]


def adjacent(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of words that follow each other, in order."""
    return list(pairwise(words))
