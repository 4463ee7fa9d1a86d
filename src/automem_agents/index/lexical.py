"""BM25 over one namespace, kept up to date term by term."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log1p

import numpy as np

from automem_agents.index.growing import GrowingArray
from automem_agents.protocols import Floats

K1 = 1.2
B = 0.75
_MOST = 65_535  # what a count can hold; beyond, BM25 has long levelled off


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
        self._frequency: list[int] = []
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
        ids, slots, counts, frequency = self._ids, self._slots, self._counts, self._frequency
        for term, count in Counter(terms).items():  # a large namespace spends most of its loading here
            number = ids.get(term)
            if number is None:
                number = self._new(term)
            slots[number].append(slot)
            counts[number].append(count if count < _MOST else _MOST)
            frequency[number] += 1
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
        self._frequency.append(0)
        self.nbytes += 350
        return number

    def remove(self, slot: int) -> None:
        """Take a document out of the statistics; its slot keeps a score that the caller must mask."""
        start = int(self._ends.view()[slot - 1]) if slot else 0
        for term in self._terms.view()[start : self._ends.view()[slot]].tolist():
            self._frequency[term] -= 1
        self._live -= 1
        self._total -= float(self._lengths.view()[slot])

    def rarity(self, term: str) -> float:
        """Return how much the documents that have a term stand out by it: its inverse document frequency in BM25."""
        number = self._ids.get(term)
        df = 0 if number is None else self._frequency[number]
        return log1p((self._live - df + 0.5) / (df + 0.5))

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

    def coverage(self, terms: Iterable[str]) -> Floats:
        """Return for every slot the share of the terms' rarity that it has, 0 to 1.

        Examples:
            >>> index = LexicalIndex(); [index.add(["tea", "green"]), index.add(["coffee"])]
            [0, 1]
            >>> index.coverage(["tea", "green"]).tolist()
            [1.0, 0.0]
        """
        rarities = {term: self.rarity(term) for term in terms}
        known = [term for term in rarities if term in self._ids]
        if not known:
            return np.zeros(len(self), np.float32)
        slots = [np.frombuffer(self._slots[self._ids[term]], np.int32) for term in known]
        shares = np.repeat([rarities[term] for term in known], [len(some) for some in slots])
        covered = np.bincount(np.concatenate(slots), shares, len(self)) / sum(rarities.values())
        return covered.astype(np.float32)

    def scores(self, terms: Sequence[str]) -> Floats:
        """Return the BM25 score of every slot."""
        if not self._live or not self._total:
            return np.zeros(len(self), np.float32)
        slots, counts, weights, sizes = [], [], [], []
        for term, weight in Counter(terms).items():
            number = self._ids.get(term)
            if number is None or not self._frequency[number]:
                continue
            slots.append(np.frombuffer(self._slots[number], np.int32))  # let go of before the array grows again
            counts.append(np.frombuffer(self._counts[number], np.uint16))
            weights.append(weight * self.rarity(term))
            sizes.append(len(slots[-1]))
        if not slots:
            return np.zeros(len(self), np.float32)
        where, tf = np.concatenate(slots), np.concatenate(counts)
        norm = K1 * (1 - B) + (K1 * B * self._live / self._total) * self._lengths.view().take(where)
        shares = np.repeat(weights, sizes) * tf / (norm + tf)
        return np.bincount(where, shares, len(self)).astype(np.float32)
