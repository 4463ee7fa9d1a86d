"""Living through a stream: each question is scored by the policy that rules, before its feedback is given."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal, Protocol

from sqlalchemy import select

from automem_agents.bench.dataset import Conversation, Question
from automem_agents.bench.learning.modes import Mode
from automem_agents.bench.learning.streams import Stream
from automem_agents.bench.learning.tables import Table
from automem_agents.bench.learning.teachers import teacher
from automem_agents.bench.measure import Stopwatch
from automem_agents.bench.run import Plan
from automem_agents.bench.score import Shown, packed
from automem_agents.bench.systems import WholeTurns
from automem_agents.controller import MemoryController
from automem_agents.journal.schema import decisions
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Embedder

Learn = Literal["on", "shadow", "off"]
FEEDBACK_BUDGET = 500


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all streams of a run share.

    Attributes:
        store: a folder with a store that has read all conversations; each stream works on a copy.
        talks: by id.
        costs: for each conversation, tokens of each turn as rendered.
        rankings: question to turns, as the memory ranks them when nothing is learned.
        learn: whether the memory learns, and whether what it learns may rule.
        seed: of all draws.
        tables: question to candidates, where models are fitted on them.
    """

    store: Path
    talks: Mapping[str, Conversation]
    costs: Mapping[str, Mapping[str, int]]
    rankings: Mapping[str, Sequence[str]]
    plan: Plan
    learn: Learn = "off"
    seed: int = 0
    tables: Mapping[str, Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A stream to be lived through with one kind of feedback."""

    stream: Stream
    mode: Mode
    ablation: ClassVar[str | None] = None
    system: ClassVar[str] = "automem_learned"

    @property
    def feedback(self) -> str:
        """What the memory is told."""
        return self.mode.name


class Work(Protocol):
    """A stream, and what learns from it: the memory, or a model that is fitted on its labels."""

    @property
    def stream(self) -> Stream:
        """What is learned from."""
        ...

    @property
    def system(self) -> str:
        """What learns."""
        ...

    @property
    def feedback(self) -> str:
        """What it learns from."""
        ...

    @property
    def ablation(self) -> str | None:
        """What it doesn't see."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question as it was met in a stream.

    Attributes:
        at: how many questions came before it in the stream.
        shown: what the ruling policy's ranking shows, by budget.
        changed: by budget, whether that is another set than it would have been with nothing learned.
        learned: whether a learned policy took the decision of its recall; None where nothing was recalled.
    """

    source: str
    conversation: str
    question: str
    at: int
    shown: Mapping[int, Shown]
    changed: Mapping[int, bool]
    learned: bool | None = None


@dataclass
class Lived:
    """What a stream brought.

    Attributes:
        searches: durations of the scoring searches.
        decisions, updates, waits: durations of recalls, of what was told, and of what was then learned.
        log_bytes: what the store grew by.
        signals: what the memory noted, by kind.
    """

    job: Work
    asked: list[Asked] = field(default_factory=list)
    searches: Stopwatch = field(default_factory=Stopwatch)
    decisions: Stopwatch = field(default_factory=Stopwatch)
    updates: Stopwatch = field(default_factory=Stopwatch)
    waits: Stopwatch = field(default_factory=Stopwatch)
    log_bytes: int = 0
    signals: Mapping[str, int] = field(default_factory=dict)


def memory_on(folder: Path, setup: Setup, embedder: Embedder, learn: Learn) -> WholeTurns:
    """Open a memory of whole turns that learns, or not."""
    plan = setup.plan
    settings = {**plan.settings, "learn": learn}
    return WholeTurns(folder, settings, embedder, plan.min_cosine, costs=setup.costs, packing=plan.packing)


def live(job: Job, setup: Setup, embedder: Embedder, on_question: Callable[[], None] = lambda: None) -> Lived:
    """Live through a stream in a copy of the store."""
    lived = Lived(job)
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "store"
        shutil.copytree(setup.store, copy)
        system = memory_on(copy, setup, embedder, setup.learn)
        try:
            _live_in(system, job.mode, lived, setup, on_question)
        finally:
            system.close()
    return lived


def _live_in(system: WholeTurns, mode: Mode, lived: Lived, setup: Setup, on_question: Callable[[], None]) -> None:
    stream = lived.job.stream
    before = sum(system.memory.health().sizes.values())
    teaching = teacher(system.memory, mode, FEEDBACK_BUDGET, setup.seed + stream.order)
    met: list[tuple[Asked, str]] = []
    for conversation, question in _questions(setup, stream.conversations):
        scored = _scored(system, setup, conversation, question, len(met))
        met.append((scored, teaching.ask(conversation, question)))
        on_question()
    learned = _learned(system.memory, stream.conversations)
    lived.asked += [replace(asked, learned=learned.get(token)) for asked, token in met]
    for conversation, question in _questions(setup, stream.frozen):
        lived.asked.append(_scored(system, setup, conversation, question, len(lived.asked)))
        on_question()
    lived.searches, lived.decisions = system.recalls, teaching.decisions
    lived.updates, lived.waits = teaching.updates, teaching.waits
    health = system.memory.health()
    lived.log_bytes, lived.signals = sum(health.sizes.values()) - before, health.signals


def _questions(setup: Setup, ids: Sequence[str]) -> Iterator[tuple[Conversation, Question]]:
    return ((setup.talks[i], question) for i in ids for question in setup.talks[i].scored)


def _scored(system: WholeTurns, setup: Setup, conversation: Conversation, question: Question, at: int) -> Asked:
    shown = system.ask(conversation, question, setup.plan.budgets)
    return Asked(
        source=conversation.source,
        conversation=conversation.id,
        question=question.id,
        at=at,
        shown=shown,
        changed=changed_sets(setup, conversation.id, question.id, system.rankings[question.id]),
    )


def changed_sets(setup: Setup, conversation: str, question: str, ranked: Sequence[str]) -> dict[int, bool]:
    """Tell, by budget, whether a ranking shows another set than the memory does with nothing learned."""
    costs, plan, unlearned = setup.costs[conversation], setup.plan, setup.rankings[question]
    return {b: _packed(ranked, costs, b, plan) != _packed(unlearned, costs, b, plan) for b in plan.budgets}


def _packed(ranked: Sequence[str], costs: Mapping[str, int], budget: int, plan: Plan) -> set[str]:
    return {ranked[i] for i in packed([costs[turn] for turn in ranked], budget, plan.packing)}


def _learned(memory: MemoryController, runs: Sequence[str]) -> dict[str, bool]:
    """Return of each decision in these runs whether another policy than the rules took it."""
    memory.flush()
    asked = select(decisions.c.id, decisions.c.policy).where(decisions.c.run_id.in_(runs))
    with memory.store.journal.read() as connection:
        return {row.id: row.policy.partition("@")[0] != RulesPolicy.name for row in connection.execute(asked)}
