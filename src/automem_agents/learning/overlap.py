"""How much of a text comes from each of some records: shared words, by how rare they are, split among those that share them.

A sentence is judged by itself, so that what else an answer says does not hide where one sentence of it comes from.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from automem_agents.learning.words import adjacent, content, sentences

Rarity = Callable[[str], float]
Token = str | tuple[str, str]  # a word, or two that follow each other

IN_A_ROW = 1.5  # two words in a row weigh so much beside their own weights
COVERAGE = 0.5  # share of a sentence's weight that must come from one record
_ROUNDING = 1e-9


class Match(NamedTuple):
    """What a record shares with a sentence: the weight, and its share of all the sentence's weight."""

    score: float = 0.0
    coverage: float = 0.0


def matches(text: str, known: str, records: Sequence[str], rarity: Rarity, coverage: float = COVERAGE) -> list[Match]:
    """Return the best match of each record with a sentence of ``text``, beyond what is ``known``.

    A word that several records share is split among them, more to those that share more with what is known.

    Args:
        coverage: a sentence of which a record covers less, 0 to 1, is no match.
    """
    known_words = set(content(known))
    parts = [content(sentence) for sentence in sentences(text)]
    said = dict.fromkeys(word for part in parts for word in part if word not in known_words)  # sets have no fixed order
    weights = {word: max(0.0, rarity(word)) for word in said}
    shares = _shares(parts, known_words, weights, [content(record) for record in records], rarity)
    best = [Match()] * len(records)
    for part in parts:
        whole = sum(weights.get(word, 0.0) for word in dict.fromkeys(part))
        if not whole > 0:
            continue
        scores: dict[int, float] = defaultdict(float)
        for token in dict.fromkeys((*part, *adjacent(part))):
            for record, share in shares[token].items() if token in shares else ():
                scores[record] += share
        for record, score in scores.items():
            if score >= coverage * whole - _ROUNDING and score > best[record].score:
                best[record] = Match(score, min(1.0, score / whole))
    return best


def _shares(
    parts: Sequence[Sequence[str]],
    known: set[str],
    weights: dict[str, float],
    records: Sequence[Sequence[str]],
    rarity: Rarity,
) -> dict[Token, dict[int, float]]:
    """Return, for each token that records share with the text, how much of its weight goes to which."""
    pairs = {pair for part in parts for pair in adjacent(part) if not known.issuperset(pair)}
    holders: dict[Token, list[int]] = defaultdict(list)
    claims = []
    for number, words in enumerate(records):
        said = set(words)
        claims.append(1.0 + math.fsum(max(0.0, rarity(word)) for word in known & said))
        shared: set[Token] = set(weights.keys() & said)
        if shared and pairs:  # a pair that isn't known has a word that isn't known
            shared |= pairs.intersection(adjacent(words))
        for token in shared:
            holders[token].append(number)
    shares = {}
    for token, numbers in holders.items():
        weight = weights[token] if isinstance(token, str) else IN_A_ROW
        part_of = weight / sum(claims[number] for number in numbers)
        shares[token] = {number: part_of * claims[number] for number in numbers}
    return shares
