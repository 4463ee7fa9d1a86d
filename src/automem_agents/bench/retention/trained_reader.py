"""Recalling from what was kept by a model that was fitted on other conversations, of which as much was kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from automem_agents.bench.learning.offline import NAMES, Score, columns_of, full_example, score_of
from automem_agents.bench.learning.tables import Table, tables_of
from automem_agents.bench.retention.heard import Embedded, Heard
from automem_agents.bench.score import packed
from automem_agents.bench.systems import WholeTurns
from automem_agents.protocols import Ints

KeptOf = Callable[[Heard], Ints]


class TrainedReaders:
    """Readers by the models of ``bench learning --models``, fitted with full labels; never on the one that is asked.

    A model that learned where everything is kept does not read what is left of it any better: what it sees of a candidate
    depends on the others that are there.

    Args:
        all_heard: all conversations; a reader learns from the others of the same source, and of nothing else.
        budget: tokens of a recall.
    """

    def __init__(self, all_heard: Sequence[Heard], embedder: Embedded, budget: int, seed: int) -> None:
        self._all = all_heard
        self._embedder = embedder
        self._budget = budget
        self._seed = seed

    def shown(self, model: str, heard: Heard, kept: Ints, kept_of: KeptOf) -> list[list[int]]:
        """Return the turns that are recalled for each scored question by a memory that holds only what was kept.

        Args:
            kept_of: what is kept of another conversation, where the model learns.
        """
        score = self.score(model, heard, kept_of)
        places = {turn.id: place for place, turn in enumerate(heard.talk.turns)}
        found = []
        for table in self._tables(heard, kept):
            ranked = [places[turn] for turn in table.ranked(score(columns_of(table, NAMES)))] if table.turns else []
            found.append([ranked[i] for i in packed([int(heard.costs[place]) for place in ranked], self._budget)])
        return found

    def score(self, model: str, heard: Heard, kept_of: KeptOf) -> Score:
        """Return what a model that was fitted on the others makes of columns, see ``columns_of``."""
        others = [h for h in self._all if h.talk.source == heard.talk.source and h.talk.id != heard.talk.id]
        examples = [full_example(table, NAMES) for other in others for table in self._tables(other, kept_of(other))]
        return score_of(model, examples, NAMES, self._seed)

    def _tables(self, heard: Heard, kept: Ints) -> list[Table]:
        with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
            system = WholeTurns(Path(folder), {"learn": "off"}, self._embedder, costs={})
            try:
                system.read(heard.only(kept))
                return list(tables_of(system, heard.talk))
            finally:
                system.close()
