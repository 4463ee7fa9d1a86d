"""BM25 over one namespace, kept up to date term by term."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np
from numpy.typing import NDArray

from automem_agents.index.growing import GrowingArray
from automem_agents.protocols import Floats, Ints

K1 = 1.2
B = 0.75
_MOST = 65_535  # what a count can hold; beyond, BM25 has long levelled off


@dataclass(frozen=True)
class Match:
    """How documents match a query.

    Attributes:
        scores: (slots,) BM25 of every slot.
        rarities: of each of the query's terms.
        sizes: how many slots have each of the terms that any has.
        where: those slots, term by term.
    """

    scores: Floats
    rarities: Mapping[str, float]
    sizes: Mapping[str, int]
    where: NDArray[np.int32]

    def coverage(self, terms: Collection[str], slots: Ints) -> Floats:
        """Return for some slots the share of the rarity of some of the query's terms that each has, 0 to 1.

        Examples:
            >>> index = LexicalIndex(); [index.add(["tea", "green"]), index.add(["coffee"])]
            [0, 1]
            >>> index.match(["tea", "green"]).coverage(["tea", "green"], np.array([0, 1])).tolist()
            [1.0, 0.0]
        """
        rarities = {term: rarity for term, rarity in self.rarities.items() if term in terms}
        if rarities.keys().isdisjoint(self.sizes):
            return np.zeros(len(slots), np.float32)
        shares = np.repeat([rarities.get(term, 0.0) for term in self.sizes], list(self.sizes.values()))
        covered = np.bincount(self.where, shares, len(self.scores)).take(slots) / sum(rarities.values())
        return covered.astype(np.float32)


class LexicalIndex:
    """Okapi BM25 in Lucene's form (Robertson and Zaragoza 2009), over slots numbered from 0.

    The cost of a query grows with the postings of its terms, the cost of a change with the terms of the document.

    Examples:
        >>> index = LexicalIndex(); [index.add(["tea", "green"]), index.add(["coffee"])]
        [0, 1]
        >>> [round(float(s), 2) for s in index.scores(["tea"])]
        [0.28, 0.0]
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._slots: list[array[int]] = []
        self._counts: list[array[int]] = []
        self._removed: Counter[int] = Counter()  # how many of a term's documents are gone
        self._terms = GrowingArray(np.int32)  # of all documents, in order; a list of arrays would take twice as much
        self._ends = GrowingArray(np.int64)
        self._lengths = GrowingArray(np.float32)
        self._live = 0
        self._total = 0.0
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, terms: Sequence[str]) -> int:
        """Add a document and return its slot."""
        slot = len(self._ends)
        numbers: list[int] = []
        ids, slots, counts = self._ids, self._slots, self._counts
        for term, count in Counter(terms).items():  # a large namespace spends most of its loading here
            number = ids.get(term)
            if number is None:
                number = self._new(term)
            slots[number].append(slot)
            counts[number].append(count if count < _MOST else _MOST)
            numbers.append(number)
        self._terms.extend(numbers)
        self._ends.append(len(self._terms))
        self._lengths.append(len(terms))
        self._live += 1
        self._total += len(terms)
        self.nbytes += 10 * len(numbers) + 20
        return slot

    def _new(self, term: str) -> int:
        number = self._ids[term] = len(self._ids)
        self._slots.append(array("i"))
        self._counts.append(array("H"))
        self.nbytes += 350
        return number

    def remove(self, slot: int) -> None:
        """Take a document out of the statistics; its slot keeps a score that the caller must mask."""
        start = int(self._ends.view()[slot - 1]) if slot else 0
        self._removed.update(self._terms.view()[start : self._ends.view()[slot]].tolist())
        self._live -= 1
        self._total -= float(self._lengths.view()[slot])

    def rarity(self, term: str) -> float:
        """Return how much the documents that have a term stand out by it: its inverse document frequency in BM25."""
        df = self._frequency(term)
        return log1p((self._live - df + 0.5) / (df + 0.5))

    def held_by(self, terms: Iterable[str]) -> dict[str, int]:
        """Return how many documents have each term."""
        return {term: self._frequency(term) for term in terms}

    def _frequency(self, term: str) -> int:
        number = self._ids.get(term)
        return 0 if number is None else len(self._slots[number]) - self._removed.get(number, 0)

    def rarities(self, terms: Iterable[str]) -> dict[str, float]:
        """Return the rarity of each term as a share of that of a term that no document has.

        Examples:
            >>> index = LexicalIndex(); [index.add(["tea", "green"]), index.add(["tea"])]
            [0, 1]
            >>> {term: round(rarity, 2) for term, rarity in index.rarities(["tea", "green", "coffee"]).items()}
            {'tea': 0.1, 'green': 0.39, 'coffee': 1.0}
        """
        highest = log1p((self._live + 0.5) / 0.5)
        return {term: self.rarity(term) / highest for term in terms}

    def match(self, terms: Sequence[str]) -> Match:
        """Look up the terms of a query."""
        rarities = {term: self.rarity(term) for term in terms}
        found = [(term, self._ids[term]) for term in rarities if self._frequency(term)]
        if not found or not self._total:
            return Match(np.zeros(len(self), np.float32), rarities, {}, np.empty(0, np.int32))
        slots = [np.frombuffer(self._slots[number], np.int32) for _, number in found]  # let go of before they grow
        where, tf = np.concatenate(slots), np.concatenate([np.frombuffer(self._counts[n], np.uint16) for _, n in found])
        sizes = {term: len(some) for (term, _), some in zip(found, slots, strict=True)}
        asked = Counter(terms)
        norm = K1 * (1 - B) + (K1 * B * self._live / self._total) * self._lengths.view().take(where)
        shares = np.repeat([asked[t] * rarities[t] for t in sizes], list(sizes.values())) * tf / (norm + tf)
        return Match(np.bincount(where, shares, len(self)).astype(np.float32), rarities, sizes, where)

    def scores(self, terms: Sequence[str]) -> Floats:
        """Return the BM25 score of every slot."""
        return self.match(terms).scores
