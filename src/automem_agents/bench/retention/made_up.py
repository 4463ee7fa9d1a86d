"""The protocols of ``bench retention`` with tables of their own: staleness, delayed, stream, recovery."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table

from automem_agents.bench.dataset import Conversation
from automem_agents.bench.options import exact_counter, progress, wide_console
from automem_agents.bench.report import write_json
from automem_agents.bench.retention.delayed import NEEDED_AT, delayed
from automem_agents.bench.retention.endurance import TURNS, endurance
from automem_agents.bench.retention.keepers import KEEPERS, Keeper
from automem_agents.bench.retention.recovery import ARMS as RECOVERY_ARMS
from automem_agents.bench.retention.recovery import RECOVERY_MODES, ROUNDS, recovery
from automem_agents.bench.retention.stale_tables import (
    delayed_table,
    endurance_table,
    recovery_table,
    staleness_table,
)
from automem_agents.bench.retention.staleness import ARMS, STREAM_ARMS, changing_turns, staleness
from automem_agents.bench.retention.updates import knowledge_updates
from automem_agents.bench.run import turn_costs
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import InvalidInput

MADE_UP = ("staleness", "delayed", "stream", "recovery")
UNBOUNDED = "unbounded"
RECORDS = {"delayed": 1_000, "stream": 5_000}
_KEPT_BY = (UNBOUNDED, "automem", "rules", *KEEPERS)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a protocol.

    Attributes:
        systems: names; empty for the usual ones.
        turns: of a delayed or long stream; None for the usual number.
        records: the budget; None for the usual one.
        users: of the changing facts.
        talks: conversations with changed facts, for staleness.
    """

    systems: Sequence[str] = ()
    turns: int | None = None
    records: int | None = None
    users: int = 4
    seed: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    talks: Sequence[Conversation] = ()


_Found = tuple[list[dict[str, object]], list[Table]]
_Advance = Callable[[int], None]


def made_up(protocol: str, wanted: Wanted, json_out: Path | None, quiet: bool) -> None:
    """Run a protocol; print its tables, or write its rows as JSON.

    Raises:
        InvalidInput: if a system is unknown.
    """
    run, known, steps = _PROTOCOLS[protocol]
    unknown = [name for name in wanted.systems if name not in known]
    if unknown:
        raise InvalidInput(f"unknown system {unknown[0]!r}; for {protocol} there are {', '.join(known)}")
    with progress(steps(wanted), quiet) as advance:
        rows, tables = run(wanted, advance)
    if json_out is not None:
        write_json(json_out, json.dumps({"protocol": protocol, "rows": rows}, indent=1))
    if json_out != Path("-"):
        console = wide_console()
        for table in tables:
            console.print(table)


def _staleness(wanted: Wanted, advance: _Advance) -> _Found:
    embedder, arms = WordLlamaEmbedder(), wanted.systems or STREAM_ARMS
    rows = staleness(embedder, wanted.users, arms, wanted.seed, settings=wanted.settings, on_turn=advance)
    found, tables = [{"stream": "made up", **asdict(row)} for row in rows], [staleness_table(rows)]
    if wanted.talks:
        arms = [name for name in arms if not ARMS[name].stream_only]
        updates = knowledge_updates(wanted.talks, embedder, arms, wanted.seed, wanted.settings)
        found += [{"stream": "knowledge_update", **asdict(row)} for row in updates]
        tables.append(staleness_table(updates, "changed facts in conversations", "conversations"))
    return found, tables


def _delayed(wanted: Wanted, advance: _Advance) -> _Found:
    budget = {"schema": {"max_records": wanted.records or RECORDS["delayed"]}}
    systems: dict[str, Mapping[str, object]] = {}
    for name in wanted.systems or _KEPT_BY:
        options = {} if name == UNBOUNDED else budget
        policy = {"policy": Keeper(name), "learn": "off"} if name in KEEPERS else {}
        systems[name] = {**options, **policy, **({"learn": "off"} if name == "rules" else {}), **wanted.settings}
    rows = delayed(WordLlamaEmbedder(), systems, wanted.turns or NEEDED_AT, seed=wanted.seed, on_turn=advance)
    return [asdict(row) for row in rows], [delayed_table(rows)]


def _stream(wanted: Wanted, advance: _Advance) -> _Found:
    options = {"schema": {"max_records": wanted.records or RECORDS["stream"]}, **wanted.settings}
    found = endurance(WordLlamaEmbedder(), options, wanted.turns or TURNS, wanted.seed, advance)
    return [asdict(found)], [endurance_table(found)]


def _recovery(wanted: Wanted, advance: _Advance) -> _Found:
    if not wanted.talks:
        raise InvalidInput("--protocol recovery needs conversations: name at least one FILE")
    costs, embedder = turn_costs(wanted.talks, exact_counter()), WordLlamaEmbedder()
    rows = [
        row
        for mode in wanted.systems or RECOVERY_MODES
        for row in recovery(wanted.talks, mode, wanted.settings, embedder, costs, wanted.seed, on_step=advance)
    ]
    return [asdict(row) for row in rows], [recovery_table(rows)]


def _recovery_steps(wanted: Wanted) -> int:
    return len(wanted.talks) * len(wanted.systems or RECOVERY_MODES) * ROUNDS * len(RECOVERY_ARMS)


def _staleness_steps(wanted: Wanted) -> int:
    return changing_turns(wanted.users, wanted.seed) * len(wanted.systems or STREAM_ARMS)


def _delayed_steps(wanted: Wanted) -> int:
    return (wanted.turns or NEEDED_AT) * len(wanted.systems or _KEPT_BY)


def _stream_steps(wanted: Wanted) -> int:
    return wanted.turns or TURNS


_PROTOCOLS: Mapping[str, tuple[Callable[[Wanted, _Advance], _Found], Sequence[str], Callable[[Wanted], int]]] = {
    "staleness": (_staleness, tuple(ARMS), _staleness_steps),
    "delayed": (_delayed, _KEPT_BY, _delayed_steps),
    "stream": (_stream, ("automem",), _stream_steps),
    "recovery": (_recovery, RECOVERY_MODES, _recovery_steps),
}
