"""Tables of the nouns: records, hits, decisions, and why a decision fell as it did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from automem_agents.cli.output import count, printable, sheet, table
from automem_agents.text.render import date_label, one_line, record_text
from automem_agents.types import Candidate, Decision, Explanation, Hit, MemoryRecord, Operation, Recall

_RUNNERS_UP = 5
_WIDTH = 120  # of a record that is only named


def date_of(record: MemoryRecord) -> str:
    """Return when it was said, as a recall shows it."""
    return date_label(record.occurred_at, record.date_text)


def records_table(records: Iterable[MemoryRecord], *, states: bool = False) -> Table:
    """Show records as they are indexed, each with its id below."""
    state = ("!state",) if states else ()
    rows = ((r.tokens, *((r.state,) if states else ()), _named(_said(r), r.id)) for r in records)
    return table((">tokens", *state, "record, and its id"), rows)


def record_sheet(record: MemoryRecord) -> Table:
    """Show all there is to say of one record."""
    return sheet(
        {
            "id": record.id,
            "text": record.text,
            "state": record.state,
            "speaker": record.speaker,
            "role": record.role,
            "date": date_of(record),
            "valid from": record.valid_from,
            "valid to": record.valid_to,
            "recorded at": record.recorded_at,
            "key": record.key,
            "kind": record.kind,
            "source": f"{record.source}, trust {record.trust:.1f}",
            "run": record.run_id,
            "session": record.session,
            "turn": record.turn_id,
            "tokens": record.tokens,
            "parents": ", ".join(record.parents),
            "metadata": dict(record.metadata),
            "recalled": f"{record.recalled} times, used {record.used} times",
        }
    )


def history_table(versions: Iterable[MemoryRecord]) -> Table:
    """Show the versions of a fact and when each was believed."""
    ends = ((_minute(r.valid_from), _minute(r.valid_to) if r.valid_to else "now", r) for r in versions)
    rows = ((f"{start}\nto {end}", r.state, _named(r.text, r.id)) for start, end, r in ends)
    return table(("!valid", "!state", "text, and its id"), rows)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def hits_table(hits: Iterable[Hit]) -> Table:
    """Show what was found, best first."""
    rows = ((hit.score, _named(_said(hit.record), hit.record.id)) for hit in hits)
    return table((">score", "record, and its id"), rows)


def _said(record: MemoryRecord) -> str:
    return record_text(record.speaker, date_of(record), record.text)


def _named(text: str, *ids: str) -> Text:
    """Return a text with ids on lines of their own: beside it they would leave it no room."""
    return Text.assemble(printable(text), *(("\n" + i, "dim") for i in ids))


def action_text(decision: Decision) -> Text:
    """Return the action in the colour of what it does."""
    styles = {"ADD": "green", "RETRIEVE": "green", "UPDATE": "cyan", "MERGE": "cyan", "DEDUPE": "cyan"}
    text = Text(decision.action, style=styles.get(decision.action, "yellow"))
    return text.append(" (undone)", style="red") if decision.undone else text


def decisions_table(decisions: Iterable[Decision]) -> Table:
    """Show decisions, each with its id below."""
    rows = ((d.now, d.operation, action_text(d), _named(d.reason, d.id)) for d in decisions)
    return table(("!time", "!operation", "!action", "reason, and its id"), rows)


def write_table(decisions: Iterable[Decision]) -> Table:
    """Show what became of a text: why, the ids of the records, the id of the decision."""
    rows = ((action_text(d), _named(d.reason, *d.records, d.id)) for d in decisions)
    return table(("!action", "reason, and ids of record and decision"), rows)


def explanation_view(explanation: Explanation) -> RenderableType:
    """Show why a decision fell as it did: a table of candidates for a READ, the text itself for the others."""
    if explanation.decision.operation is not Operation.READ:
        return Text(printable(str(explanation)))
    decision = explanation.decision
    head = Text.assemble((f"{decision.operation} ", "bold"), action_text(decision), f": {decision.reason}")
    by = Text(f"by {decision.policy}, p = {decision.propensity:.2f}; {decision.id}", style="dim")
    lines: list[RenderableType] = [head, by]
    if decision.fallback:
        lines.append(Text(f"fallback: {printable(decision.fallback)}", style="red"))
    if decision.candidates:
        lines.append(candidates_table(explanation))
    return Group(*lines)


def candidates_table(explanation: Explanation) -> Table:
    """Show what a READ considered: the shown ones and the best of those passed over."""
    candidates = explanation.decision.candidates
    shown = [c for c in candidates if c.shown]
    passed = [c for c in candidates if not c.shown]
    rows = [_candidate_row(explanation, c) for c in (*shown, *passed[:_RUNNERS_UP])]
    made = table(("!", ">score", ">tokens", "record, and what its score is made of"), rows)
    if len(passed) > _RUNNERS_UP:
        made.caption = f"and {len(passed) - _RUNNERS_UP} more that were passed over"
    return made


def _candidate_row(explanation: Explanation, candidate: Candidate) -> Sequence[object]:
    shares = explanation.contributions.get(candidate.record_id, {})
    mark = Text("shown", style="green") if candidate.shown else Text("passed", style="yellow")
    why = "  ".join(f"{name} {value:+.2f}" for name, value in shares.items() if abs(value) >= 0.005)
    text = short(explanation.texts.get(candidate.record_id, "(deleted)"))
    return mark, sum(shares.values()), candidate.tokens, Text.assemble(text, "\n", (why, "dim"))


def recall_view(recall: Recall, query: str, budget: int) -> RenderableType:
    """Show a recall as it goes into the prompt, and what it costs."""
    cost = f"{recall.tokens} of {budget} tokens, {count(len(recall.hits), 'record')}"
    nothing = Text("(nothing: no record is worth its tokens)", style="yellow")
    body = Text(printable(recall.text)) if recall.text else nothing
    asked = Text.assemble(("recall ", "dim"), (printable(query), "bold"))
    return Group(asked, Panel(body, subtitle=cost, subtitle_align="right", border_style="dim"))


def short(text: str) -> str:
    """Return a text on one line, cut where it is only named and not shown."""
    text = printable(one_line(text))
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
