"""The command evaluate: what policies would have earned, from the log of decisions."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from automem_agents.cli.options import DEFAULT_APP, DEFAULT_STORE, Agent, AnyUser, App, Format, Output, Store, examples
from automem_agents.cli.output import count, emit, printable, progress, sheet, table
from automem_agents.cli.session import opened
from automem_agents.errors import InvalidInput

if TYPE_CHECKING:
    from automem_agents.learning.evaluation import Evaluated, Evaluation
    from automem_agents.learning.skipping import Skipping

commands = typer.Typer()
_COLUMNS = ("!estimator", ">value", "!95 %", ">gain", "!95 %", "!significant")
_REWARD_OF = {"credit": "credit assignment", "feedback": "the mean score of their feedback"}


@commands.command(
    rich_help_panel="Show and measure",
    epilog=examples("evaluate", "evaluate --user ada --policy rules@1 --plot gains.svg"),
)
def evaluate(
    user: AnyUser = None,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    policy: Annotated[
        list[str] | None, typer.Option(metavar="NAME@VERSION", help="A policy to evaluate; can be repeated.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the intervals to this PNG or SVG file.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Estimate from logged recalls what a policy would have earned on them.

    All namespaces are taken together unless a user is named. A reward is what
    credit assignment gave a recall, else the mean score of its feedback.
    """
    from automem_agents.bench.evaluation_plot import checked_plot, draw
    from automem_agents.learning.evaluation import evaluate, policy_named
    from automem_agents.learning.logged import count_reads
    from automem_agents.types import Namespace

    if agent is not None and user is None:
        raise InvalidInput("--agent needs --user: whose memory does it mean?")
    namespace = None if user is None else Namespace(user, agent, app)
    checked_plot(plot)
    with opened(store) as memory:
        targets = [policy_named(memory.store, name) for name in dict.fromkeys(policy or ["rules"])]
        with memory.store.journal.read() as connection:
            recalls = count_reads(connection, None if namespace is None else namespace.key)
        with progress("choosing anew", recalls.rewarded) as step:
            evaluation = evaluate(memory.store, targets, namespace, on_read=step)
    emit(output, evaluation, lambda: _view(evaluation))
    if plot is not None:
        draw(evaluation.rows, plot)


def _view(evaluation: Evaluation) -> RenderableType:
    rewards = [f"{number} by {_REWARD_OF[name]}" for name, number in evaluation.rewards.items()]
    facts = sheet(
        {
            "recalls": f"{evaluation.reads}, {evaluation.rewarded} with a reward, {evaluation.explored} of those explored",
            "rewards": ", ".join(rewards),
            "skipped": _skipped(evaluation.skipping),
            "left out": "; ".join(f"{number}: {reason}" for reason, number in evaluation.left_out.items()),
        }
    )
    parts: list[RenderableType] = [facts]
    for title, rows in groupby(evaluation.rows, _title):
        parts += [Text(), table(_COLUMNS, map(_row, rows), title=title)]
    if evaluation.rows:
        parts.append(Text(_LEGEND, style="dim"))
    parts += [Text(f"warning: {printable(warning)}", style="yellow") for warning in evaluation.warnings]
    return Group(*parts)


def _skipped(of: Skipping | None) -> str:
    if of is None:
        return ""
    told = f"{count(of.skipped, 'text')}, {of.missed} missed later; "
    if of.needed is None or of.low is None or of.high is None:
        return told + "none like them was stored all the same and had ten recalls to be needed"
    told += f"of {of.tried} like them that were stored all the same, {of.needed:.0%} were needed [{of.low:.0%}, {of.high:.0%}]"
    return told if of.kept_needed is None else f"{told}; of {of.kept} kept by choice, {of.kept_needed:.0%}"


_LEGEND = (
    "value: mean reward of a recall. gain: what it is above that earned on the same recalls; significant if its whole "
    "interval is above 0. By record: assumes that rewards of records add up. Out of support: recalls for which the "
    "target shows what the log gave no chance; they are left out.\n"
)


def _title(row: Evaluated) -> str:
    return (
        f"{row.target} on what {row.logged_by} logged, by {row.unit}: {count(row.decisions, 'recall')}, "
        f"effective sample size {row.ess:.{0 if row.ess >= 10 else 1}f}, {row.out_of_support:.0%} out of support"
    )


def _row(row: Evaluated) -> tuple[object, ...]:
    return (
        row.estimator,
        _number(row.value),
        _interval(row.low, row.high),
        _number(row.gain, sign=True),
        _interval(row.gain_low, row.gain_high),
        "yes" if row.significant else "no",
    )


def _number(value: float | None, *, sign: bool = False) -> str:
    return "" if value is None else f"{value:+.3f}" if sign else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "unknown" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
