"""The rest of the store grows while the measured namespace stays as it is."""

from __future__ import annotations

from latency_parts.driver import Bench, Process
from latency_parts.rows import Timings
from latency_parts.scenarios.common import USER, fill, fitting, over_time, take_turns

NAME = "beside"
_SYSTEMS = ("floor", "automem", "chroma", "chroma_per_user", "mem0")
_USER_SIZE = 1000


def run(bench: Bench) -> None:
    """Two stores of each system, one with a small and one with a large rest, measured in turn."""
    size, small, large = bench.plan.beside
    timings, both = Timings(NAME), {}
    names = fitting(bench.systems, _SYSTEMS)
    with bench.opened(NAME, names, "-small") as few, bench.opened(NAME, names, "-large") as many:
        for processes, rest in ((few, small), (many, large)):
            for name in names:
                fill(bench, NAME, name, processes, 0, size)
                reached = _fill_rest(bench, name, processes, rest)
                if name in processes:
                    both[f"{name}@{reached}"] = processes[name]
                bench.tick(f"{name} with {rest:,} beside")
        take_turns(bench, timings, NAME, both, size, size, bench.plan.calls)
    bench.rows += timings.rows()
    bench.clear(NAME)


def _fill_rest(bench: Bench, name: str, processes: dict[str, Process], rest: int) -> int:
    """Fill other users' memory and ask each of them something; return how many records that made."""
    done, user = 0, 0
    while done < rest and name in processes:
        if over_time(bench, name, processes[name]):
            bench.notes.append(f"{NAME}: {name} has {done:,} of {rest:,} records beside, after {bench.plan.cap:.0f} s")
            break
        count = min(_USER_SIZE, rest - done)
        with bench.noting(NAME, name, processes):
            processes[name].call("fill", user=f"{USER}-{user}", first=0, count=count)
            processes[name].call("recall", user=f"{USER}-{user}", first=0, count=1, turns=count, limit=1)
            done, user = done + count, user + 1
    if name in processes:
        with bench.noting(NAME, name, processes):
            processes[name].call("settle")
    return done


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return 2 * len(fitting(bench.systems, _SYSTEMS))
