"""What a memory sees of each turn when it decides whether to keep it, beside what each turns out to be worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from automem_agents.bench.dataset import Conversation, Said, Session
from automem_agents.bench.stats import Numbers
from automem_agents.bench.systems import WholeTurns
from automem_agents.features import WRITE
from automem_agents.protocols import Embedder, Floats, Ints, TokenCounter
from automem_agents.types import Receipt


@dataclass(frozen=True)
class Heard:
    """A conversation as it was heard, turn by turn.

    Attributes:
        costs: (n,) tokens of each turn as rendered.
        features: (n, d) columns of ``WRITE`` from the decision log; zeros for what can't be stored.
    """

    talk: Conversation
    costs: Ints
    features: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.costs)

    def column(self, name: str) -> Numbers:
        """Return a column (n,) of the features."""
        found: Numbers = self.features[:, WRITE.names.index(name)]
        return found

    @cached_property
    def evidence(self) -> Sequence[tuple[int, ...]]:
        """The turns that answer each scored question."""
        places = {turn.id: place for place, turn in enumerate(self.talk.turns)}
        return [tuple(sorted({places[turn] for turn in q.evidence})) for q in self.talk.scored]

    @cached_property
    def links(self) -> Numbers:
        """(n,) number of scored questions that each turn answers."""
        found = [place for places in self.evidence for place in places]
        return np.bincount(found, minlength=len(self)).astype(np.float64)

    def only(self, kept: Ints) -> Conversation:
        """Return the conversation with no turns but those, and no questions."""
        wanted = {self.talk.turns[place].id for place in kept.tolist()}
        sessions = [
            Session(id=session.id, date=session.date, turns=tuple(turn for turn in session.turns if turn.id in wanted))
            for session in self.talk.sessions
        ]
        return Conversation(id=self.talk.id, source=self.talk.source, sessions=tuple(sessions), questions=())


class _Listening(WholeTurns):
    """Keeps every turn, and what was seen of it."""

    def __init__(self, folder: Path, settings: Mapping[str, object], embedder: Embedder) -> None:
        super().__init__(folder, settings, embedder, costs={})
        self.seen: dict[str, Mapping[str, float]] = {}

    def _write(self, conversation: Conversation, session: Session, turn: Said) -> Receipt:
        receipt = super()._write(conversation, session, turn)
        self.seen[turn.id] = next((d.features for d in receipt.decisions if d.features), {})
        return receipt


def hear(talk: Conversation, settings: Mapping[str, object], embedder: Embedder, counter: TokenCounter) -> Heard:
    """Tell a memory of its own a conversation; it stores every turn, and logs what it saw of each before it did."""
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        system = _Listening(Path(folder), {**settings, "learn": "off"}, embedder)
        try:
            system.read(talk)
        finally:
            system.close()
    rows = [[system.seen[turn.id].get(name, 0.0) for name in WRITE.names] for turn in talk.turns]
    costs = np.array([counter.count(text) for text in talk.rendered], np.int64)
    return Heard(talk, costs, np.array(rows, np.float64))


class Embedded:
    """An embedder that remembers: every arm embeds the same turns and questions.

    Args:
        embedder: of what isn't known yet.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Floats] = {}

    @property
    def name(self) -> str:
        """Name of the embedder."""
        return self._embedder.name

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._embedder.dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return unit vectors (n, dimension)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed(new), strict=True))
        found = [self._known[text] for text in texts]
        return np.array(found, np.float32).reshape(-1, self.dimension)
