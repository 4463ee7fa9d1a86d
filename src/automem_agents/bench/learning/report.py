"""Tables and JSON of what was learned."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import numpy as np
from rich.console import Console
from rich.table import Table

from automem_agents.bench.learning.prequential import Lived
from automem_agents.bench.learning.rows import Detail, LearningRow, Study, changes_of_rule
from automem_agents.bench.measure import Stopwatch
from automem_agents.bench.report import budgets, difference, empty_table, interval, percentiles
from automem_agents.bench.run import REFERENCE
from automem_agents.bench.systems import WholeTurns


@dataclass(frozen=True, kw_only=True)
class Course:
    """How the streams of one name and mode went.

    Attributes:
        questions: asked in all orders.
        opened, closed: how often a learned policy came to rule, and how often it stopped, mean over the orders.
        learned: share of recalls that a learned policy decided; None where nothing was recalled.
        search, decision, update, wait: calls, wall clock and CPU time of a ranking, of a recall, of what was told, and
            of what was then learned in the background.
        decision_bytes: what the store grew by for each recall, feedback included.
        signals: what the memory noted, by kind, sum over the orders.
    """

    protocol: str
    stream: str
    feedback: str
    orders: int
    questions: int
    opened: float
    closed: float
    learned: float | None
    search: Mapping[str, object]
    decision: Mapping[str, object]
    update: Mapping[str, object]
    wait: Mapping[str, object]
    decision_bytes: float
    signals: Mapping[str, int]


def course_of(study: Study) -> Course:
    """Sum up the streams of a study."""
    lived = study.lived
    turns = [changes_of_rule(one) for one in lived]
    learned = [asked.learned for one in lived for asked in one.asked if asked.learned is not None]
    decisions = _together([one.decisions for one in lived])
    return Course(
        protocol=study.protocol,
        stream=study.stream,
        feedback=study.work.feedback,
        orders=study.orders,
        questions=sum(len(one.asked) for one in lived),
        opened=float(np.mean([opened for opened, _ in turns])),
        closed=float(np.mean([closed for _, closed in turns])),
        learned=float(np.mean(learned)) if learned else None,
        search=_together([one.searches for one in lived]).summary(),
        decision=decisions.summary(),
        update=_together([one.updates for one in lived]).summary(),
        wait=_together([one.waits for one in lived]).summary(),
        decision_bytes=round(sum(one.log_bytes for one in lived) / max(1, len(decisions.wall)), 1),
        signals=_summed(lived),
    )


def _together(watches: Sequence[Stopwatch]) -> Stopwatch:
    whole = Stopwatch()
    for watch in watches:
        whole.extend(watch)
    return whole


def _summed(lived: Sequence[Lived]) -> dict[str, int]:
    kinds = sorted({kind for one in lived for kind in one.signals})
    return {kind: sum(one.signals.get(kind, 0) for one in lived) for kind in kinds}


@dataclass(frozen=True)
class LearningReport:
    """All figures of a run, and the bytes that its largest process had in memory, if the system says so."""

    rows: Sequence[LearningRow]
    details: Sequence[Detail]
    courses: Sequence[Course]
    peak_bytes: int | None

    def as_json(self) -> str:
        """Return all of it as JSON."""
        whole = {
            "rows": [asdict(row) for row in self.rows],
            "details": [asdict(detail) for detail in self.details],
            "streams": [asdict(course) for course in self.courses],
            "peak_bytes": self.peak_bytes,
        }
        return json.dumps(whole, indent=1)


def print_report(report: LearningReport, console: Console) -> None:
    """Print, for each stream and source, recall and the difference from the rules by position; then the streams."""
    for (stream, source), group in groupby(report.rows, key=lambda row: (row.stream, row.source)):
        rows = list(group)
        console.print(_heading(stream, source, rows))
        console.print(_by_position("recall within a budget, 95 % bootstrap interval", rows, interval))
        compared = [row for row in rows if row.system != REFERENCE]
        what = f"difference from {REFERENCE}, paired 95 % t interval, conversations won"
        console.print(_by_position(what, compared, difference))
        learned = [row for row in rows if row.gain is not None]
        what = f"gain over {WholeTurns.name}, the memory with nothing learned, and the share of questions that changed"
        console.print(_by_position(what, learned, _gain))
    if report.courses:
        console.print(_courses(report.courses))
    if report.peak_bytes is not None:
        console.print(f"largest process: {report.peak_bytes / 1e6:.0f} MB of memory")


def _heading(stream: str, source: str, rows: Sequence[LearningRow]) -> str:
    name = source if stream == source else f"{source} in {stream}"
    whole, learn = rows[0], next((row.learn for row in rows if row.learn), "off")
    size = f"{whole.n} questions, {whole.conversations} conversations, {whole.orders} orders"
    return f"\n{name}: {size}, {whole.protocol}, learn={learn}, packing {whole.packing}"


def _by_position(title: str, rows: Sequence[LearningRow], cell: Callable[[LearningRow], str]) -> Table:
    table = empty_table(title, ["position", "ranking"], budgets(rows))
    for position, group in groupby(sorted(rows, key=_place(rows)), key=lambda row: row.position):
        for row_number, (name, mine) in enumerate(groupby(group, key=_name)):
            table.add_row(position if row_number == 0 else "", name, *(cell(row) for row in mine))
        table.add_section()
    return table


def _gain(row: LearningRow) -> str:
    spread = "" if row.gain_low_t is None else f" ({row.gain_low_t:+.3f} to {row.gain_high_t:+.3f})"
    return f"{row.gain:+.3f}{spread} {row.changed:.0%}"


def _place(rows: Sequence[LearningRow]) -> Callable[[LearningRow], tuple[int, int]]:
    positions = list(dict.fromkeys(row.position for row in rows))
    names = list(dict.fromkeys(map(_name, rows)))
    return lambda row: (positions.index(row.position), names.index(_name(row)))


def _name(row: LearningRow) -> str:
    if row.learn is not None or row.feedback is None:
        return row.feedback or row.system
    return " ".join(filter(None, (row.system, row.ablation, f"({row.feedback})")))


def _courses(courses: Sequence[Course]) -> Table:
    title = "streams: who decided, and what it cost (p50 / p95 / p99 ms on the wall clock)"
    columns = ["orders", "ruled", "opened", "closed", "recall", "told", "learned in", "bytes a recall", "signals"]
    table = empty_table(title, ["stream", "feedback"], columns)
    for c in courses:
        learned = "" if c.learned is None else f"{c.learned:.1%}"
        signals = " ".join(f"{kind} {number}" for kind, number in c.signals.items())
        table.add_row(
            c.stream,
            c.feedback,
            str(c.orders),
            learned,
            f"{c.opened:.1f}",
            f"{c.closed:.1f}",
            percentiles(c.decision["wall_ms"]),
            percentiles(c.update["wall_ms"]),
            percentiles(c.wait["wall_ms"]),
            f"{c.decision_bytes:.0f}",
            signals,
        )
    return table
