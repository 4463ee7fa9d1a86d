"""Running systems over conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from automem_agents.bench.baselines import BASELINES, Scores, ranking
from automem_agents.bench.dataset import Conversation
from automem_agents.bench.measure import Stopwatch
from automem_agents.bench.score import Packing, Shown, score_ranking
from automem_agents.bench.systems import Kept, MemorySystem, Product, WholeTurns
from automem_agents.embedders import CheckedEmbedder
from automem_agents.protocols import Embedder, TokenCounter

REFERENCE = "rules"
MEMORIES = (WholeTurns.name, Product.name)
SYSTEMS = (*BASELINES, *MEMORIES)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Attributes:
        settings: passed on to the memory.
        min_cosine: of the rules policy.
    """

    budgets: tuple[int, ...] = (250, 500, 1000)
    systems: tuple[str, ...] = SYSTEMS
    packing: Packing = "skip"
    settings: Mapping[str, object] = field(default_factory=dict)
    min_cosine: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a system showed for a question, by budget."""

    system: str
    source: str
    conversation: str
    question: str
    shown: Mapping[int, Shown]


@dataclass
class Results:
    """All that a run found out.

    Attributes:
        rankings: question to turns, best first, of ``automem_turns``.
        writes, recalls: by system.
        kept: by source and system.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    rankings: dict[str, list[str]] = field(default_factory=dict)
    writes: dict[str, Stopwatch] = field(default_factory=dict)
    recalls: dict[str, Stopwatch] = field(default_factory=dict)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)


def steps(conversations: Sequence[Conversation], plan: Plan) -> int:
    """Return how many times ``run`` calls back."""
    memories = sum(name in MEMORIES for name in plan.systems)
    return len(conversations) + memories * sum(len(c.turns) + len(c.scored) for c in conversations)


def turn_costs(conversations: Sequence[Conversation], counter: TokenCounter) -> dict[str, dict[str, int]]:
    """Return, for each conversation, the tokens of each turn as rendered."""
    return {
        c.id: dict(zip((t.id for t in c.turns), map(counter.count, c.rendered), strict=True)) for c in conversations
    }


def run(
    conversations: Sequence[Conversation],
    plan: Plan,
    embedder: Embedder,
    counter: TokenCounter,
    on_step: Callable[[int], None] = lambda _: None,
) -> Results:
    """Ask every scored question of every system; the reference always runs, because all is compared with it."""
    results = Results()
    costs = turn_costs(conversations, counter)
    for conversation in conversations:
        results.outcomes += _baselines(conversation, plan, costs[conversation.id], embedder)
        on_step(1)
    for source in dict.fromkeys(c.source for c in conversations):
        mine = [c for c in conversations if c.source == source]
        for name in plan.systems:
            if name in MEMORIES:
                with _memory(name, plan, embedder, costs) as system:
                    results.outcomes += _remembered(system, mine, plan, on_step)
                _note(results, source, system)
    return results


def _baselines(
    conversation: Conversation, plan: Plan, costs: Mapping[str, int], embedder: Embedder
) -> Iterator[Outcome]:
    ids = list(costs)
    questions = conversation.scored
    scores = Scores(conversation, [q.question for q in questions], list(costs.values()), CheckedEmbedder(embedder))
    for name in dict.fromkeys((REFERENCE, *plan.systems)):
        if name not in BASELINES:
            continue
        for question, order in zip(questions, ranking(BASELINES[name](scores)).tolist(), strict=True):
            ranked = [ids[i] for i in order]
            shown = score_ranking(ranked, question.evidence, costs, plan.budgets, plan.packing)
            yield Outcome(name, conversation.source, conversation.id, question.id, shown)


@contextmanager
def _memory(
    name: str, plan: Plan, embedder: Embedder, costs: Mapping[str, Mapping[str, int]]
) -> Iterator[MemorySystem]:
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        system: MemorySystem
        if name == WholeTurns.name:
            system = WholeTurns(
                Path(folder), plan.settings, embedder, plan.min_cosine, costs=costs, packing=plan.packing
            )
        else:
            system = Product(Path(folder), plan.settings, embedder, plan.min_cosine)
        try:
            yield system
        finally:
            system.close()


def _remembered(
    system: MemorySystem, conversations: Sequence[Conversation], plan: Plan, on_step: Callable[[int], None]
) -> Iterator[Outcome]:
    for conversation in conversations:
        system.read(conversation)
        on_step(len(conversation.turns))
    system.reopen()
    for conversation in conversations:
        for question in conversation.scored:
            shown = system.ask(conversation, question, plan.budgets)
            yield Outcome(system.name, conversation.source, conversation.id, question.id, shown)
            on_step(1)


def _note(results: Results, source: str, system: MemorySystem) -> None:
    results.writes.setdefault(system.name, Stopwatch()).extend(system.writes)
    results.recalls.setdefault(system.name, Stopwatch()).extend(system.recalls)
    results.kept[source, system.name] = system.kept
    if isinstance(system, WholeTurns):
        results.rankings |= system.rankings
