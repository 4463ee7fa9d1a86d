"""Tables of staleness, of late needs, and of a long stream."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table

from automem_agents.bench.retention.delayed import DelayedRow
from automem_agents.bench.retention.endurance import Endurance, EnduranceRow
from automem_agents.bench.retention.ledger import Ledger
from automem_agents.bench.retention.stale_tables import delayed_table, endurance_table, staleness_table
from automem_agents.bench.retention.staleness import Tally, rows_of


def _printed(table: Table) -> str:
    out = StringIO()
    Console(file=out, width=160).print(table)
    return out.getvalue()


def test_a_share_stands_beside_that_of_the_other_system() -> None:
    tally, other = Tally(), Tally()
    for name in ("phone", "home_city"):
        tally.note("current", name, 1, 2, after=0)
        other.note("current", name, 2, 2, after=0)
    text = _printed(staleness_table([*rows_of(tally, "mine"), *rows_of(other, "theirs")]))
    (line,) = (line for line in text.splitlines() if "all" in line and "any" in line)
    assert line.split()[:3] == ["current", "all", "any"]
    assert "50.0% (50.0%–50.0%)" in line
    assert "100.0% (100.0%–100.0%)" in line


def test_facts_asked_for_before_stand_beside_those_that_were_not() -> None:
    rows = [
        DelayedRow(system="lru", used=used, recalled=share, low=0.0, high=1.0, n=4, turns=9000, records=500)
        for used, share in ((None, 0.5), (True, 0.75), (False, 0.25))
    ]
    line = next(line for line in _printed(delayed_table(rows)).splitlines() if "lru" in line)
    assert [each for each in line.split() if "%" in each and "(" not in each] == ["50%", "75%", "25%"]


def test_a_long_stream_says_what_it_lost() -> None:
    part = EnduranceRow(
        part=1, turns=10, observe_ms=1, recall_ms=2, turn_ms=3, resident_mb=None, disk_mb=4, live=5, aside=6
    )
    found = Endurance(
        rows=[part],
        cost_ratio=1.25,
        resident_ratio=None,
        pinned=25,
        pinned_lost=3,
        evicted=7,
        brought_back=6,
        ledger=Ledger(decisions=900, destructive=80, explored=0, written=70, lost=0),
    )
    text = " ".join(_printed(endurance_table(found)).split())
    assert "CPU a turn 1.25; 3 of 25 pinned records lost; 6 of 7 evicted records back" in text
    assert "of 900 decisions 80 took records out of recall, 0 by exploration; 0 of 70 records lost for good" in text
