"""Commands on decisions: decisions, explain, feedback."""

from __future__ import annotations

from typing import Annotated

import typer

from automem_agents.cli.options import (
    DEFAULT_APP,
    DEFAULT_STORE,
    Agent,
    AnyUser,
    App,
    DecisionId,
    Format,
    Limit,
    Output,
    Run,
    Store,
    User,
    examples,
)
from automem_agents.cli.output import emit, sheet
from automem_agents.cli.session import opened
from automem_agents.cli.views import decisions_table, explanation_view
from automem_agents.types import Operation

commands = typer.Typer()
_PANEL = "Decisions"


@commands.command(
    rich_help_panel=_PANEL, epilog=examples("decisions --user ada", "decisions --user ada --operation WRITE")
)
def decisions(
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    limit: Limit = 20,
    operation: Annotated[Operation | None, typer.Option(case_sensitive=False, help="Only these.")] = None,
    run: Run = None,
    output: Output = Format.TABLE,
) -> None:
    """List decisions, newest first, what was skipped included."""
    with opened(store, user, agent, app) as memory:
        found = memory.decisions(limit=limit, operation=operation, run_id=run)
    emit(output, found, lambda: decisions_table(found))


@commands.command(rich_help_panel=_PANEL, epilog=examples("explain dec_77b0…"))
def explain(
    decision: DecisionId,
    user: AnyUser = None,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Show why a decision fell as it did: features, alternatives, and what it later earned."""
    with opened(store, user, agent, app) as memory:
        explanation = memory.explain(decision)
    emit(output, explanation, lambda: explanation_view(explanation))


@commands.command(
    rich_help_panel=_PANEL,
    # a score like -0.5 must not be taken for an option
    context_settings={"ignore_unknown_options": True},
    epilog=examples("feedback dec_77b0… 1 --cited m1 --cited m3", "feedback dec_77b0… -0.5"),
)
def feedback(
    decision: DecisionId,
    score: Annotated[str, typer.Argument(help="-1 to 1, or POSITIVE, NEGATIVE, VERY_NEGATIVE.")],
    store: Store = DEFAULT_STORE,
    cited: Annotated[list[str] | None, typer.Option(help="Ref (m1) or id of a record the answer used.")] = None,
    key: Annotated[str | None, typer.Option(help="Feedback counts once for each key.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Say what a decision was worth."""
    with opened(store) as memory:
        receipt = memory.feedback(decision, _score(score), cited=cited or (), key=key)
    counted = "yes" if receipt.counted else "no, it was given before"
    emit(output, receipt, lambda: sheet({"decision": receipt.token, "score": receipt.score, "counted": counted}))


def _score(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
