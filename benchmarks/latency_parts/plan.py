"""How much is measured: everything, or a little of everything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes and counts of the scenarios.

    Attributes:
        cap: seconds that one peer may spend in one scenario before it is left out of the larger sizes.
        rounds: how often the systems take turns at each size.
        calls: writes and recalls of each system in each round.
        call_seconds: after so many seconds a system's turn ends early.
        growth: records in the one namespace.
        beside: records in the namespace whose neighbours multiply, and in the rest of the store before and after.
        threads, threads_size, threads_seconds: how many, records before, and length of a round.
        space: records written one by one (disk), and stored in bulk (memory).
        space_processes: new processes whose memory is looked at, for it differs a little between them.
        cold, cold_repeats: records in the store, and starts.
        indexed, indexed_calls: records in the namespace, and writes.
        sweep: records in the namespace.
        scale_users, scale_records: namespaces of the large store, and records in each.
        scale_repeats: processes that open it.
    """

    cap: float = 120.0
    rounds: int = 3
    calls: int = 70
    call_seconds: float = 6.0
    growth: tuple[int, ...] = (100, 1_000, 10_000, 50_000)
    beside: tuple[int, int, int] = (1_000, 1_000, 100_000)
    threads: int = 8
    threads_size: int = 1_000
    threads_seconds: float = 6.0
    space: tuple[int, int] = (2_000, 10_000)
    space_processes: int = 3
    cold: tuple[int, ...] = (400, 5_000)
    cold_repeats: int = 7
    indexed: tuple[int, ...] = (1_000, 10_000)
    indexed_calls: int = 60
    sweep: tuple[int, ...] = (1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
    scale_users: int = 1_000
    scale_records: int = 1_000
    scale_repeats: int = 5


FULL = Plan()
QUICK = Plan(
    cap=15.0,
    rounds=2,
    calls=20,
    call_seconds=1.0,
    growth=(100, 1_000),
    beside=(300, 300, 3_000),
    threads_size=300,
    threads_seconds=1.0,
    space=(150, 1_500),
    space_processes=1,
    cold=(400,),
    cold_repeats=3,
    indexed=(300,),
    indexed_calls=10,
    sweep=(300, 1_500),
    scale_users=20,
    scale_records=300,
    scale_repeats=3,
)
TINY = Plan(
    cap=20.0,
    rounds=2,
    calls=5,
    call_seconds=1.0,
    growth=(30, 60),
    beside=(30, 30, 90),
    threads=2,
    threads_size=30,
    threads_seconds=0.3,
    space=(20, 60),
    space_processes=1,
    cold=(30,),
    cold_repeats=2,
    indexed=(30,),
    indexed_calls=3,
    sweep=(30, 60),
    scale_users=3,
    scale_records=30,
    scale_repeats=1,
)
