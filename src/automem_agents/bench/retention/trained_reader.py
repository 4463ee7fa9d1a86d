"""Recalling from what was kept by a model that was fitted on other conversations, of which everything was kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from automem_agents.bench.learning.offline import NAMES, Score, columns_of, full_example, score_of
from automem_agents.bench.learning.tables import Table, tables_of
from automem_agents.bench.retention.heard import Embedded, Heard
from automem_agents.bench.score import packed
from automem_agents.bench.systems import WholeTurns
from automem_agents.protocols import Ints


class TrainedReaders:
    """Readers by the models of ``bench learning --models``, fitted with full labels; never on the one that is asked.

    Args:
        all_heard: all conversations; a reader learns from the others of the same source, and of nothing else.
        budget: tokens of a recall.
    """

    def __init__(self, all_heard: Sequence[Heard], embedder: Embedded, budget: int, seed: int) -> None:
        self._all = all_heard
        self._embedder = embedder
        self._budget = budget
        self._seed = seed
        self._whole = cache(self._tables_of_all)
        self._fitted = cache(self._fit)

    def shown(self, model: str, heard: Heard, kept: Ints) -> list[list[int]]:
        """Return the turns that are recalled for each scored question by a memory that holds only what was kept."""
        score = self.score(model, heard.talk.id)
        places = {turn.id: place for place, turn in enumerate(heard.talk.turns)}
        found = []
        for table in self._tables(heard, kept):
            ranked = [places[turn] for turn in table.ranked(score(columns_of(table, NAMES)))] if table.turns else []
            costs = heard.costs[ranked].tolist() if ranked else []
            found.append([ranked[i] for i in packed(costs, self._budget)])
        return found

    def score(self, model: str, left_out: str) -> Score:
        """Return what a model that was fitted on the others makes of columns, see ``columns_of``."""
        return self._fitted(model, left_out)

    def _fit(self, model: str, left_out: str) -> Score:
        source = next(heard.talk.source for heard in self._all if heard.talk.id == left_out)
        others = [h.talk.id for h in self._all if h.talk.source == source and h.talk.id != left_out]
        return score_of(
            model, [full_example(table, NAMES) for name in others for table in self._whole(name)], NAMES, self._seed
        )

    def _tables_of_all(self, talk: str) -> list[Table]:
        heard = next(heard for heard in self._all if heard.talk.id == talk)
        return self._tables(heard, np.arange(len(heard)))

    def _tables(self, heard: Heard, kept: Ints) -> list[Table]:
        with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
            system = WholeTurns(Path(folder), {"learn": "off"}, self._embedder, costs={})
            try:
                system.read(heard.only(kept))
                return list(tables_of(system, heard.talk))
            finally:
                system.close()
