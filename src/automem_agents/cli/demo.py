"""The command demo: what memory does with a conversation, step by step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from automem_agents.cli import story
from automem_agents.cli.options import examples
from automem_agents.cli.output import heading, out, table
from automem_agents.cli.views import action_text, explanation_view, recall_view
from automem_agents.types import Decision, MemoryRecord

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController

commands = typer.Typer()
_BUDGETS = (200, 70)


@commands.command(
    rich_help_panel="Show and measure", epilog=examples("demo", "demo --data chats.jsonl --limit 200 --max-tokens 300")
)
def demo(
    data: Annotated[Path | None, typer.Option(help="Show it on the first conversation of this file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="With --data: only so many turns.")] = None,
    max_tokens: Annotated[int, typer.Option(min=0, help="With --data: the budget of a recall.")] = 300,
) -> None:
    """Show storing, recall under a budget, an updated fact and why, in a store that is thrown away.

    Needs no network and no key. A file is read as 'import' reads conversations;
    its lines may also have questions, with the ids of the turns that answer them
    as evidence.
    """
    from automem_agents.cli.demo_data import show_conversation
    from automem_agents.controller import MemoryController

    # a cold machine may take long over its first recall, and nobody's turn waits for it here
    patient = {"strict": True, "recall_deadline": 300.0, "observe_deadline": 300.0}
    with (
        tempfile.TemporaryDirectory(prefix="automem-agents-") as folder,
        MemoryController.from_config({"path": f"{folder}/memory", "user_id": story.USER, **patient}) as memory,
    ):
        if data is None:
            _tell(memory)
        else:
            show_conversation(memory, data, limit, max_tokens)
    out.print(Text("This was a temporary store; it is gone.", style="dim"))


def _tell(memory: MemoryController) -> None:
    out.print("Noor talks to her assistant on three days. Memory sits beside it and sees each turn.")
    heading("1. What is kept: each turn is a WRITE decision")
    home = _observe(memory)
    heading("2. What is recalled: the text that goes into the prompt, within a budget")
    recalls = [memory.recall(story.DINNER, max_tokens=budget) for budget in _BUDGETS]
    for recall, budget in zip(recalls, _BUDGETS, strict=True):
        out.print(recall_view(recall, story.DINNER, budget))
    heading("3. A fact that changed: the newest version is recalled, the old one is history")
    out.print(recall_view(memory.recall(story.HOME, max_tokens=_BUDGETS[1]), story.HOME, _BUDGETS[1]))
    out.print(_versions(memory.history(home)))
    heading("4. Why: the features that moved the recall with the smaller budget")
    out.print(explanation_view(memory.explain(recalls[-1].token)))


def _observe(memory: MemoryController) -> str:
    """Hand over the story turn by turn; return the record of the home."""
    rows: list[tuple[object, ...]] = []
    home = ""
    for session in story.SESSIONS:
        day = f"{session.day:%-d %B %Y}"
        rows.append(("", Text(day, style="bold"), ""))
        with memory.trajectory(session=day) as run:
            for line in session.lines:
                said = {"role": line.role, "content": line.text, "key": line.key, "occurred_at": session.day}
                receipt = run.observe([{**said, "name": line.speaker}])
                rows += [_row(line, decision) for decision in receipt.decisions]
                home = receipt.record_ids[0] if line.key and receipt.record_ids else home
    out.print(table(("!decision", "turn", "reason"), rows))
    return home


def _row(line: story.Line, decision: Decision) -> tuple[object, ...]:
    said = Text.assemble((f"{line.speaker}: ", "dim"), line.text, (f"  (key: {line.key})" if line.key else "", "cyan"))
    return action_text(decision), said, decision.reason


def _versions(versions: list[MemoryRecord]) -> Table:
    ends = (f"{r.valid_to:%-d %B %Y}" if r.valid_to else "now" for r in versions)
    rows = ((r.text, r.state, f"{r.valid_from:%-d %B %Y}", end) for r, end in zip(versions, ends, strict=True))
    return table(("text", "!state", "!valid from", "!to"), rows)
