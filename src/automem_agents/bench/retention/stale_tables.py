"""Tables of what becomes of facts that change, of facts that are needed late, and of a long stream."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from automem_agents.bench.report import empty_table
from automem_agents.bench.retention.delayed import DelayedRow
from automem_agents.bench.retention.endurance import Endurance
from automem_agents.bench.retention.recovery import Recovered
from automem_agents.bench.retention.staleness import TOKENS, StaleRow


def staleness_table(rows: Sequence[StaleRow], title: str = "facts that change", over: str = "templates") -> Table:
    """Return shares with their bootstrap intervals by measure and group; by turns later for all templates only."""
    heading = f"{title}: recalls within {TOKENS} tokens, share and 95 % bootstrap interval over {over}"
    rows = [row for row in rows if row.after is None or row.group == "all"]
    systems = list(dict.fromkeys(row.system for row in rows))
    table = empty_table(heading, ["measure", over, "turns later"], [*systems, "n"])
    found = {(row.measure, row.group, row.after, row.system): row for row in rows}
    for measure, group, after in dict.fromkeys((row.measure, row.group, row.after) for row in rows):
        mine = [found.get((measure, group, after, system)) for system in systems]
        times = " / ".join(dict.fromkeys(str(row.n) for row in mine if row is not None))
        table.add_row(measure, group, "any" if after is None else str(after), *map(_share, mine), times)
    return table


def _share(row: StaleRow | None) -> str:
    if row is None:
        return ""
    return f"{row.share:.1%}" if row.low is None else f"{row.share:.1%} ({row.low:.1%}–{row.high:.1%})"


def delayed_table(rows: Sequence[DelayedRow]) -> Table:
    """Return the share of early facts that are shown at the end."""
    turns = rows[0].turns
    table = empty_table(
        f"facts told early and asked for after {turns:,} turns: share shown within {TOKENS} tokens",
        ["system"],
        ["all", "asked for once before", "never asked for", "records"],
    )
    for system in dict.fromkeys(row.system for row in rows):
        mine = {row.used: row for row in rows if row.system == system}
        cells = [f"{row.recalled:.0%} ({row.low:.0%}–{row.high:.0%})" for row in (mine[None], mine[True], mine[False])]
        table.add_row(system, *cells, f"{mine[None].records:,}")
    return table


def endurance_table(found: Endurance) -> Table:
    """Return what each tenth of a long stream cost, with the ratio of the last to the first in the title."""
    memory = "" if found.resident_ratio is None else f", memory {found.resident_ratio:.2f}"
    back = f"{found.brought_back} of {found.evicted} evicted records back after undo"
    counted = found.ledger
    title = (
        f"last tenth by first: CPU a turn {found.cost_ratio:.2f}{memory}; "
        f"{found.pinned_lost} of {found.pinned} pinned records lost; {back}; "
        f"of {counted.decisions:,} decisions {counted.destructive:,} took records out of recall, "
        f"{counted.explored:,} by exploration; {counted.lost:,} of {counted.written:,} records lost for good"
    )
    heads = ["observe ms", "recall ms", "turn ms", "resident MB", "disk MB", "live", "aside"]
    table = empty_table(title, [], ["turns", *heads])
    for row in found.rows:
        resident = "" if row.resident_mb is None else f"{row.resident_mb:.0f}"
        times = [f"{each:.2f}" for each in (row.observe_ms, row.recall_ms, row.turn_ms)]
        table.add_row(f"{row.turns:,}", *times, resident, f"{row.disk_mb:.0f}", f"{row.live:,}", f"{row.aside:,}")
    return table


def recovery_table(rows: Sequence[Recovered]) -> Table:
    """Return what the questions recall by round, means over conversations, beside a memory that stores everything."""
    heading = f"half of the turns are skipped: recall within {TOKENS} tokens, share of what storing everything recalls"
    rounds = list(dict.fromkeys(row.round for row in rows))
    table = empty_table(heading, ["source", "feedback", "memory"], [*(f"round {n}" for n in rounds), "bytes"])
    for source, feedback, arm in dict.fromkeys((row.source, row.feedback, row.arm) for row in rows):
        mine = [row for row in rows if (row.source, row.feedback, row.arm) == (source, feedback, arm)]
        cells = [_recovered([row for row in mine if row.round == number]) for number in rounds]
        table.add_row(source, feedback, arm, *cells, f"{sum(row.nbytes for row in mine if row.round == rounds[-1]):,}")
    return table


def _recovered(rows: Sequence[Recovered]) -> str:
    recall, share = (sum(values) / len(rows) for values in ([r.recall for r in rows], [r.share for r in rows]))
    return f"{recall:.3f} ({share:.0%})"
