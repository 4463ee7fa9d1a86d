"""A long life under a budget: what a turn costs and what memory the process holds, tenth by tenth."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from automem_agents.bench.retention.chatter import ACKNOWLEDGEMENTS, remark
from automem_agents.bench.retention.ledger import Ledger, ledger
from automem_agents.bench.retention.staleness import TOKENS, fresh_memory
from automem_agents.bench.retention.stream import GROUPS, TEMPLATES
from automem_agents.bench.retention.templates import role_of, text_of
from automem_agents.controller import MemoryController
from automem_agents.protocols import Embedder
from automem_agents.types import Action, Operation, State

TURNS, PARTS = 100_000, 10
COUNTED = 20_000  # decisions, the newest, that are looked at one by one in the end
PINNED = 25
FACT_EVERY, RECALL_EVERY = 20, 10
_USER = "user"


@dataclass(frozen=True, kw_only=True)
class EnduranceRow:
    """A tenth of the stream.

    Attributes:
        turns: told so far.
        observe_ms, recall_ms: mean CPU time of a call, of all threads of the process.
        turn_ms: mean CPU time of a turn, with its recalls and with what is done in the background.
        resident_mb: memory of the process at the end of the tenth; None where the system doesn't say.
        disk_mb: of the journal's files at the end.
        live, aside: records that are live, and those that are not: tombstones, and what was skipped and kept aside.
    """

    part: int
    turns: int
    observe_ms: float
    recall_ms: float
    turn_ms: float
    resident_mb: float | None
    disk_mb: float
    live: int
    aside: int


@dataclass(frozen=True, kw_only=True)
class Endurance:
    """What became of a long stream.

    Attributes:
        rows: by tenth.
        cost_ratio, resident_ratio: the last tenth by the first.
        pinned, pinned_lost: records that may not be evicted, and how many of them are not live at the end.
        evicted: records that the newest PRUNE took out; ``brought_back`` how many are live again after ``undo``.
        ledger: of the newest decisions, and of the records of every turn that told a fact; counted before that ``undo``.
    """

    rows: list[EnduranceRow]
    cost_ratio: float
    resident_ratio: float | None
    pinned: int
    pinned_lost: int
    evicted: int
    brought_back: int
    ledger: Ledger


def endurance(
    embedder: Embedder,
    options: Mapping[str, object],
    turns: int = TURNS,
    seed: int = 0,
    on_turn: Callable[[int], None] = lambda _: None,
) -> Endurance:
    """Tell one memory a long stream of remarks and facts that change, with a recall now and then.

    Args:
        options: what the memory is opened with: a budget, any setting.
        turns: at least one for each tenth.
        on_turn: called with the number of turns that were told.
    """
    random = Random(seed)
    written: list[str] = []
    with fresh_memory(embedder, options) as memory:
        pinned = [_pin(memory, number) for number in range(PINNED)]
        script = _script(turns, random)
        rows = [_part(memory, part, script, turns, written, on_turn) for part in range(PARTS)]
        states = [memory.get(record_id, user_id=_USER).state for record_id in pinned]
        counted = ledger(memory, _USER, COUNTED, written)
        evicted, back = _undo_newest_prune(memory)
    ends = rows[0], rows[-1]
    resident = [row.resident_mb for row in ends if row.resident_mb is not None]
    return Endurance(
        rows=rows,
        cost_ratio=round(ends[1].turn_ms / ends[0].turn_ms, 4),
        resident_ratio=round(resident[1] / resident[0], 4) if len(resident) == 2 else None,
        pinned=PINNED,
        pinned_lost=sum(state is not State.LIVE for state in states),
        evicted=evicted,
        brought_back=back,
        ledger=counted,
    )


def _pin(memory: MemoryController, number: int) -> str:
    receipt = memory.add(f"House rule {number}: never water plant {number}.", kind="pinned", user_id=_USER)
    return receipt.record_ids[0]


def _script(turns: int, random: Random) -> Iterator[tuple[str, str, str]]:
    """Yield role, text and question of each turn; the question is "" where none is asked."""
    templates = [template for group in GROUPS for template in TEMPLATES[group]]
    for turn in range(turns):
        template = random.choice(templates)
        role, text = "user", remark(random)
        if turn % FACT_EVERY == 0:
            line = random.choice(template.first + template.then)
            role, text = role_of(line), text_of(line, *random.sample(template.values, 2))
        yield role, text, template.question if turn % RECALL_EVERY == 0 else ""


def _part(
    memory: MemoryController,
    part: int,
    script: Iterator[tuple[str, str, str]],
    turns: int,
    written: list[str],
    on_turn: Callable[[int], None],
) -> EnduranceRow:
    run = memory.trajectory(run_id=f"part-{part}", user_id=_USER)
    observing, recalling, told = _Seconds(), _Seconds(), turns * part // PARTS
    begun = time.process_time()
    size = turns * (part + 1) // PARTS - told
    for turn, (role, text, question) in zip(range(size), script, strict=False):
        if question:
            with recalling.counted():
                run.recall(question, max_tokens=TOKENS)
        with observing.counted():
            answer = ACKNOWLEDGEMENTS[turn % len(ACKNOWLEDGEMENTS)]
            receipt = run.observe([{"role": role, "content": text}, {"role": "assistant", "content": answer}])
        if turn % FACT_EVERY == 0:
            written += [each for d in receipt.decisions if d.action is not Action.SKIP for each in d.records]
        on_turn(1)
    memory.flush()
    cpu = time.process_time() - begun
    resident, health = resident_bytes(), memory.health()
    return EnduranceRow(
        part=part + 1,
        turns=told + size,
        observe_ms=observing.mean_ms,
        recall_ms=recalling.mean_ms,
        turn_ms=round(cpu * 1000 / size, 4),
        resident_mb=None if resident is None else round(resident / 2**20, 1),
        disk_mb=round(sum(health.sizes.values()) / 2**20, 1),
        live=health.live,
        aside=health.tombstones,
    )


@dataclass
class _Seconds:
    total: float = 0.0
    calls: int = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.total += time.process_time() - begun
        self.calls += 1

    @property
    def mean_ms(self) -> float:
        return round(self.total * 1000 / max(1, self.calls), 4)


def resident_bytes() -> int | None:
    """Return how much memory this process holds now; None where the system doesn't say."""
    gc.collect()
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return None


def _undo_newest_prune(memory: MemoryController) -> tuple[int, int]:
    """Take back the newest eviction; return how many records it had evicted, and how many of them are live again."""
    for decision in memory.decisions(limit=1000, operation=Operation.CONSOLIDATE, user_id=_USER):
        if decision.action is Action.PRUNE and not decision.undone:
            memory.undo(decision.id, user_id=_USER)
            states = [memory.get(record_id, user_id=_USER).state for record_id in decision.records]
            return len(states), sum(state is State.LIVE for state in states)
    return 0, 0
