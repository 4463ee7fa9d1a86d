"""Steps that scenarios share."""

from __future__ import annotations

from collections.abc import Sequence

from latency_parts.driver import Bench, Process
from latency_parts.rows import Timings

_CHUNK = 10_000
_OWN = ("floor", "automem")  # the time of peers is limited, not theirs: all bounds need them at all sizes
USER = "ada"


def over_time(bench: Bench, name: str, process: Process) -> bool:
    """Tell whether a system has spent the time that it may spend in one scenario."""
    return name not in _OWN and process.spent > bench.plan.cap


def fill(bench: Bench, scenario: str, name: str, processes: dict[str, Process], first: int, until: int) -> None:
    """Fill the measured namespace in bulk; a system over its time is left out of the rest, and noted."""
    at = first
    while at < until and name in processes:
        if over_time(bench, name, processes[name]):
            bench.notes.append(
                f"{scenario}: {name} stopped at {at:,} of {until:,} records after {bench.plan.cap:.0f} s"
            )
            del processes[name]
            return
        count = min(_CHUNK, until - at)
        with bench.noting(scenario, name, processes):
            processes[name].call("fill", user=USER, first=at, count=count)
            at += count
    if name in processes:
        with bench.noting(scenario, name, processes):
            processes[name].call("settle")


def take_turns(
    bench: Bench, timings: Timings, scenario: str, processes: dict[str, Process], size: int, at: int, calls: int
) -> int:
    """Let the systems write and recall, in rounds, in a new random order each; return the next turn's number.

    Keys of ``processes`` are ``system`` or ``system@size``: two stores of one system are told apart so.
    """
    for _ in range(bench.plan.rounds):
        for key in bench.shuffled(list(processes)):
            name, _, own_size = key.partition("@")
            with bench.noting(scenario, key, processes):
                measure(bench, timings, processes[key], name, int(own_size or size), at, calls)
        at += calls
    return at


def measure(bench: Bench, timings: Timings, process: Process, name: str, size: int, at: int, calls: int) -> None:
    """One system's turn: writes; then, once nothing is done in the background, recalls."""
    limit = bench.plan.call_seconds
    warm = max(1, min(3, calls // 5))
    process.call("recall", user=USER, first=10_000_000 + at, count=warm, turns=size, limit=limit)  # after the others
    written = process.call("write", user=USER, first=at, count=calls, limit=limit)
    timings.settled(name, size, process.call("settle"), len(written["wall"]))
    recalled = process.call("recall", user=USER, first=at, count=calls, turns=size, limit=limit)
    for operation, calls_made in (("write", written), ("recall", recalled)):
        made = calls_made.pop("made")
        timings.add(name, size, operation, calls_made, made)


def fitting(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return those of ``names`` that are wanted."""
    return [name for name in names if name in wanted]
