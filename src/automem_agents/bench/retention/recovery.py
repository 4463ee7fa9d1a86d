"""What comes back of what was lost: a writer skips half of all turns, and the questions are asked again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from automem_agents.bench.dataset import Conversation, Said, Session
from automem_agents.bench.learning.dice import dice
from automem_agents.bench.learning.modes import Mode
from automem_agents.bench.learning.teachers import teacher
from automem_agents.bench.retention.admission import BUDGET
from automem_agents.bench.systems import WholeTurns
from automem_agents.controller import MemoryController
from automem_agents.journal.upkeep import loads
from automem_agents.memory_schema import MemorySchema
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Embedder, WriteChoice, WriteProblem
from automem_agents.types import Action, Namespace, Receipt, State

EVERYTHING, HALF, HALF_ASIDE = "everything", "half", "half, kept aside"
ARMS = (EVERYTHING, HALF, HALF_ASIDE)
ROUNDS = 3
RECOVERY_MODES = ("score", "implicit")  # bad feedback on what failed, or a user who asks half of it again
SHARE_OF_BYTES = 0.7
_LOST = 0.5


class _Forced(RulesPolicy):
    """Stores everything, or skips half at random; READ is decided by the rules."""

    def __init__(self, half: bool, seed: str) -> None:
        super().__init__()
        self.name = "forced"
        self._half, self._seed, self._count = half, seed, 0

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Choose by luck."""
        self._count += 1
        lost = self._half and dice("recovery", self._seed, self._count).random() < _LOST
        if Action.ADD not in problem.legal or (lost and Action.SKIP in problem.legal):
            return WriteChoice(Action.SKIP, "by luck")
        return WriteChoice(Action.ADD, "by luck")


class _System(WholeTurns):
    """A memory of whole turns that decides by luck what to keep, within a budget of bytes."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        embedder: Embedder,
        policy: _Forced,
        max_bytes: int | None,
        costs: Mapping[str, Mapping[str, int]],
    ) -> None:
        self._forced_policy = policy
        self._schema = None if max_bytes is None else MemorySchema(max_bytes=max_bytes)
        super().__init__(folder, settings, embedder, costs=costs)

    def _opened(self) -> MemoryController:
        options = {"schema": self._schema, "key_extractor": None, **self._options}
        return MemoryController.open(self._folder, embedder=self._embedder, policy=self._forced_policy, **options)  # type: ignore[arg-type]

    def _write(self, conversation: Conversation, session: Session, turn: Said) -> Receipt:
        message = {"role": turn.role, "name": turn.speaker, "content": turn.content, "date": session.date}
        return self.memory.observe([message], turn_id=turn.id, session=session.id, user_id=conversation.id)


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What a conversation's questions recall in a round, before its feedback.

    Attributes:
        recall: mean over the scored questions, within 500 tokens.
        share: of what storing everything recalls in the same round.
        records: live at the end of the round.
        nbytes: of all records, those that are kept aside included.
    """

    source: str
    conversation: str
    arm: str
    feedback: str
    round: int
    recall: float
    share: float
    records: int
    nbytes: int
    questions: int


def recovery(
    talks: Sequence[Conversation],
    feedback: str,
    settings: Mapping[str, object],
    embedder: Embedder,
    costs: Mapping[str, Mapping[str, int]],
    seed: int = 0,
    rounds: int = ROUNDS,
    on_step: Callable[[int], None] = lambda _: None,
) -> Iterator[Recovered]:
    """Ask all questions of each conversation in rounds, with feedback after each question.

    The bytes of the arms that skip are bounded by a share of what everything takes.
    """
    for talk in talks:
        whole: dict[int, float] = {}
        bound: int | None = None
        for arm in ARMS:
            for row in _rounds(talk, arm, feedback, settings, embedder, costs[talk.id], seed, rounds, bound):
                if arm == EVERYTHING:
                    whole[row.round] = row.recall
                    bound = int(SHARE_OF_BYTES * row.nbytes)
                yield _of_whole(row, whole[row.round])
                on_step(1)


def _of_whole(row: Recovered, whole: float) -> Recovered:
    return Recovered(**{**vars(row), "share": row.recall / whole if whole else 1.0})


def _rounds(
    talk: Conversation,
    arm: str,
    feedback: str,
    settings: Mapping[str, object],
    embedder: Embedder,
    costs: Mapping[str, int],
    seed: int,
    rounds: int,
    bound: int | None,
) -> Iterator[Recovered]:
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        kept = {"train": False, **settings, **({} if arm == HALF_ASIDE else {"skipped": 0})}
        policy = _Forced(arm != EVERYTHING, f"{seed} {talk.id}")
        system = _System(Path(folder), kept, embedder, policy, bound, {talk.id: costs})
        try:
            system.read(talk)
            teaching = teacher(system.memory, Mode.parse(feedback), BUDGET, seed)
            for number in range(1, rounds + 1):
                system.memory.consolidate(user_id=talk.id)  # what is beyond the budget goes, however it came back
                recalled = []
                for question in talk.scored:
                    recalled.append(system.ask(talk, question, (BUDGET,))[BUDGET].recall)
                    teaching.ask(talk, question)
                system.memory.flush()
                live, held = _held(system.memory, talk.id)
                yield Recovered(
                    source=talk.source, conversation=talk.id, arm=arm, feedback=feedback, round=number,
                    recall=sum(recalled) / max(1, len(recalled)), share=1.0, records=live, nbytes=held,
                    questions=len(recalled),
                )  # fmt: skip
        finally:
            system.close()


def _held(memory: MemoryController, user_id: str) -> tuple[int, int]:
    """Return how many live records there are, and the bytes of all, those that are kept aside included."""
    with memory.store.journal.read() as connection:
        key = Namespace(user_id).key
        live = sum(load.records for load in loads(connection, key, [State.LIVE]))
        return live, sum(load.nbytes for load in loads(connection, key, list(State)))
