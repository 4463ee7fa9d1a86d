"""The memory itself under test, through its public face: as whole turns, and as the product is used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from automem_agents.bench.dataset import Conversation, Question, Said, Session
from automem_agents.bench.measure import Stopwatch
from automem_agents.bench.score import Packing, Shown, reciprocal_rank, returned_share, score_ranking
from automem_agents.controller import MemoryController
from automem_agents.errors import AutoMemError
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Embedder
from automem_agents.text.clean import clean
from automem_agents.text.segments import segments
from automem_agents.types import Action, Hit, Receipt

DEPTH = 200
WHOLE_TURN = 8192  # the largest segment there is; a longer turn is several records
MAX_CHARS = 10_000_000
# A slow call is counted as slow, and a failed one stops the run: neither passes for an empty recall.
PATIENT: Mapping[str, object] = {"strict": True, "recall_deadline": 60.0, "observe_deadline": 60.0}


@dataclass
class Kept:
    """What a memory kept of what it was told.

    Attributes:
        turns, records: told, and stored now.
        skipped: reason to number of pieces that weren't stored.
        gold_turns: turns that answer a scored question.
        gold_lost: those of them of which no record is live, by the reason: they score 0.
        gold_shares: of each gold turn, the share of its tokens that is stored: what recall could reach at best.
        disk_bytes: of all files once everything was told.
        read_log_bytes: what the record of its READ decisions added while questions were asked.
    """

    turns: int = 0
    records: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    gold_turns: int = 0
    gold_lost: Counter[str] = field(default_factory=Counter)
    gold_shares: list[float] = field(default_factory=list)
    disk_bytes: int = 0
    read_log_bytes: int = 0

    @property
    def reachable(self) -> float:
        """Mean share of a gold turn that is stored."""
        return sum(self.gold_shares) / max(1, len(self.gold_shares))

    def as_json(self) -> dict[str, object]:
        """Return all of it as JSON has it."""
        return {
            "turns": self.turns,
            "records": self.records,
            "skipped": dict(self.skipped),
            "gold_turns": self.gold_turns,
            "gold_lost": dict(self.gold_lost),
            "gold_share": round(self.reachable, 6),
            "disk_bytes": self.disk_bytes,
            "read_log_bytes": self.read_log_bytes,
        }


class MemorySystem(ABC):
    """A memory in a store of its own; each conversation is a namespace.

    Args:
        folder: where the store is made.
        settings: settings of the memory.
        embedder: of the memory.
        min_cosine: of the rules policy; None for its default.
    """

    name: ClassVar[str]
    forced: ClassVar[Mapping[str, object]] = {}

    def __init__(
        self, folder: Path, settings: Mapping[str, object], embedder: Embedder, min_cosine: float | None = None
    ) -> None:
        self._folder = folder
        self._options = {**PATIENT, **settings, **self.forced}
        self._embedder = embedder
        self._policy = None if min_cosine is None else RulesPolicy(min_cosine)
        self.kept = Kept()
        self.writes = Stopwatch()
        self.recalls = Stopwatch()
        self.memory = self._opened()

    def _opened(self) -> MemoryController:
        return MemoryController.open(self._folder, embedder=self._embedder, policy=self._policy, **self._options)  # type: ignore[arg-type]

    def reopen(self) -> None:
        """Close the store, note what it takes on disk, and open it again: recall starts from what is on disk."""
        self.memory.close()
        self.kept.disk_bytes = _size(self._folder)
        self.memory = self._opened()

    def close(self) -> None:
        """Close the store and note what was logged since it was opened again."""
        self.memory.close()
        self.kept.read_log_bytes = max(0, _size(self._folder) - self.kept.disk_bytes)

    def read(self, conversation: Conversation) -> None:
        """Take in a conversation, turn by turn."""
        why: dict[str, str] = {}
        for session, turn in conversation.placed:
            with self.writes.timing():
                receipt = self._write(conversation, session, turn)
            skips = [decision.reason for decision in receipt.decisions if decision.action is Action.SKIP]
            self.kept.skipped.update(skips)
            why[turn.id] = skips[0] if skips else "merged into a later turn"
        self.kept.turns += len(conversation.turns)
        self._count_kept(conversation, why)

    def _count_kept(self, conversation: Conversation, why: Mapping[str, str]) -> None:
        records = self.memory.records(limit=None, user_id=conversation.id)
        gold = {turn for question in conversation.scored for turn in question.evidence}
        stored = dict.fromkeys(sorted(gold), 0)
        for record in records:
            if record.turn_id in gold:
                stored[record.turn_id] += self._count(record.text)
        whole = self._whole(conversation, gold)
        self.kept.records += len(records)
        self.kept.gold_turns += len(gold)
        self.kept.gold_lost.update(why[turn] for turn, tokens in stored.items() if not tokens)
        self.kept.gold_shares += [returned_share(stored, whole, [turn]) for turn in stored]

    def _count(self, text: str) -> int:
        return self.memory.store.counter.count(text)

    def _whole(self, conversation: Conversation, turns: Collection[str]) -> dict[str, int]:
        """Return the tokens of each turn's text, cut as it is stored, whether it was kept or not."""
        limit, counter = self.memory.store.settings.segment_tokens, self.memory.store.counter
        texts = {turn.id: clean(turn.content) for turn in conversation.turns if turn.id in turns}
        return {turn: sum(self._count(part) for part in segments(text, limit, counter)) for turn, text in texts.items()}

    @abstractmethod
    def _write(self, conversation: Conversation, session: Session, turn: Said) -> Receipt: ...

    @abstractmethod
    def ask(self, conversation: Conversation, question: Question, budgets: Sequence[int]) -> dict[int, Shown]:
        """Ask a question at each budget."""


class WholeTurns(MemorySystem):
    """The memory's candidates and its ranking, with whole turns, no skips, and nothing but the turns to pay for.

    Args:
        costs: for each conversation, tokens of each turn as rendered.
        packing: how the ranking is packed.
    """

    name = "automem_turns"
    forced: ClassVar[Mapping[str, object]] = {"segment_tokens": WHOLE_TURN, "max_text_chars": MAX_CHARS}

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        embedder: Embedder,
        min_cosine: float | None = None,
        *,
        costs: Mapping[str, Mapping[str, int]],
        packing: Packing = "skip",
    ) -> None:
        super().__init__(folder, settings, embedder, min_cosine)
        self._costs = costs
        self._packing = packing
        self.rankings: dict[str, list[str]] = {}

    def _write(self, conversation: Conversation, session: Session, turn: Said) -> Receipt:
        return self.memory.add(
            turn.content,
            role=turn.role,
            speaker=turn.speaker,
            date=session.date,
            session=session.id,
            turn_id=turn.id,
            user_id=conversation.id,
        )

    def ask(self, conversation: Conversation, question: Question, budgets: Sequence[int]) -> dict[int, Shown]:
        """Rank turns, and score the ranking."""
        with self.recalls.timing():
            hits = self.memory.search(question.question, top_k=DEPTH, user_id=conversation.id)
        ranked = self.rankings[question.id] = turns_of(hits)
        return score_ranking(ranked, question.evidence, self._costs[conversation.id], budgets, self._packing)


class Product(MemorySystem):
    """The memory as it is used: it decides what to keep, stores segments, and all of ``Recall.text`` is paid for."""

    name = "automem"

    def _write(self, conversation: Conversation, session: Session, turn: Said) -> Receipt:
        message = {"role": turn.role, "name": turn.speaker, "content": turn.content, "date": session.date}
        return self.memory.observe([message], turn_id=turn.id, session=session.id, user_id=conversation.id)

    def ask(self, conversation: Conversation, question: Question, budgets: Sequence[int]) -> dict[int, Shown]:
        """Recall at each budget; a gold turn counts by the share of its tokens that came back."""
        whole = self._whole(conversation, question.evidence)
        return {budget: self._recall(conversation, question, budget, whole) for budget in budgets}

    def _recall(self, conversation: Conversation, question: Question, budget: int, whole: Mapping[str, int]) -> Shown:
        with self.recalls.timing():
            recall = self.memory.recall(question.question, max_tokens=budget, user_id=conversation.id)
        tokens = self._count(recall.text)
        if not recall.tokens == tokens <= budget:
            raise AutoMemError(
                f"{question.id}: a recall of {tokens} tokens says it has {recall.tokens}, within {budget}"
            )
        returned: Counter[str] = Counter()
        for hit in recall.hits:
            returned[hit.record.turn_id or ""] += self._count(hit.record.text)
        return Shown(
            recall=returned_share(returned, whole, question.evidence),
            tokens=recall.tokens,
            reciprocal_rank=reciprocal_rank(turns_of(recall.hits), question.evidence),
        )


def turns_of(hits: Sequence[Hit]) -> list[str]:
    """Return the turns that hits come from, best first, each once."""
    return list(dict.fromkeys(hit.record.turn_id for hit in hits if hit.record.turn_id))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
