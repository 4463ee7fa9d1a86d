"""Models fitted on labels: what they see, that they learn from the labels alone, and what they are not shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from automem_agents.bench.learning.offline import ABLATIONS, MODELS, Fitting, fitted
from automem_agents.bench.learning.rows import rows_of, studies_of
from automem_agents.bench.learning.streams import Stream, leaving_one_out
from automem_agents.bench.learning.workshop import Prepared, live_all, prepared
from automem_agents.bench.run import Plan
from automem_agents.bench.score import packed
from automem_agents.features import LEARNABLE
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import TiktokenCounter

from .learning_talks import talk

pytestmark = pytest.mark.any_index

TALKS = [talk(0), talk(1), talk(2), talk(0, "logs")]
STREAM = Stream("interleaved", 0, ("chats-0", "chats-1", "logs-0"), frozen=("chats-2",))


@pytest.fixture(scope="module")
def ready(counter: TiktokenCounter) -> Iterator[Prepared]:
    with prepared(TALKS, Plan(budgets=(40, 500)), HashEmbedder(), counter, tables=True) as found:
        yield found


def test_the_fixed_score_ranks_as_the_memory_does(ready: Prepared) -> None:
    assert set(ready.setup.tables) == {question.id for one in TALKS for question in one.scored}
    for question, table in ready.setup.tables.items():
        assert table.ranked(table.fixed) == ready.setup.rankings[question]
        assert table.columns.shape == (len(table.turns), len(LEARNABLE))
        assert table.gold.sum() == 1


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_used_on_what_it_was_not_fitted_on(ready: Prepared, model: str) -> None:
    lived = fitted(Fitting(STREAM, model, "full"), ready.setup)
    assert [asked.question for asked in lived.asked] == [f"chats-2/q{i}" for i in range(6)]
    assert np.mean([asked.shown[40].recall for asked in lived.asked]) > 0.4
    # labels of the conversation that is asked make no difference
    blind = {
        name: replace(table, gold=~table.gold) if table.conversation == "chats-2" else table
        for name, table in ready.setup.tables.items()
    }
    again = fitted(Fitting(STREAM, model, "full"), replace(ready.setup, tables=blind))
    assert again.asked == lived.asked


@pytest.mark.parametrize("model", MODELS)
def test_a_model_learns_what_the_labels_say(ready: Prepared, model: str) -> None:
    """Here, whatever an assistant or Tom chatters about the weather is gold, and facts are not."""
    turned = {
        name: replace(table, gold=np.array([turn.startswith("c") for turn in table.turns]))
        for name, table in ready.setup.tables.items()
    }
    told, turned_round = (
        fitted(Fitting(STREAM, model, "full"), replace(ready.setup, tables=tables))
        for tables in (ready.setup.tables, turned)
    )
    first, second = (np.mean([asked.shown[40].recall for asked in lived.asked]) for lived in (told, turned_round))
    assert second < first


def test_citations_are_labels_of_what_the_rules_show(ready: Prepared) -> None:
    dear = {name: {turn: 6 * cost for turn, cost in costs.items()} for name, costs in ready.setup.costs.items()}
    setup = replace(ready.setup, costs=dear)
    hidden, shown, unseen = {}, {}, 0
    for name, table in setup.tables.items():
        ranked = table.ranked(table.fixed)
        seen = {ranked[i] for i in packed([dear[table.conversation][turn] for turn in ranked], 500)}
        unseen += len(ranked) - len(seen)
        is_seen = np.array([turn in seen for turn in table.turns])
        hidden[name] = replace(table, gold=np.where(is_seen, table.gold, ~table.gold))
        shown[name] = replace(table, gold=np.where(is_seen, ~table.gold, table.gold))
    assert unseen > 10
    fitting = Fitting(STREAM, "linear", "citations")
    plain, with_hidden, with_shown = (
        fitted(fitting, replace(setup, tables=tables)).asked for tables in (setup.tables, hidden, shown)
    )
    assert with_hidden == plain
    assert with_shown != plain


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablated_column_is_not_seen(ready: Prepared, ablation: str) -> None:
    dropped = [LEARNABLE.index(name) for name in LEARNABLE if name not in ABLATIONS[ablation]]
    noise = np.random.default_rng(0)
    changed = {}
    for name, table in ready.setup.tables.items():
        columns = table.columns.copy()
        columns[:, dropped] = noise.normal(size=(len(columns), len(dropped)))
        changed[name] = replace(table, columns=columns)
    fitting = Fitting(STREAM, "linear", "full", ablation)
    assert fitted(fitting, ready.setup).asked == fitted(fitting, replace(ready.setup, tables=changed)).asked


def test_rows_have_models_beside_the_fixed_rankings(ready: Prepared) -> None:
    streams = leaving_one_out(TALKS, 1, 0)
    jobs = [Fitting(s, "linear", "full", ablation) for s in streams for ablation in (None, "length-only")]
    rows = rows_of(studies_of(live_all(jobs, ready.setup, HashEmbedder), "leave-one-out"), ready.fixed, ready.setup)
    found = {(r.source, r.system, r.feedback, r.ablation, r.n) for r in rows if r.position == "all"}
    for source, count in (("chats", 18), ("logs", 6)):
        assert (source, "rules", None, None, count) in found
        assert (source, "linear", "full", None, count) in found
        assert (source, "linear", "full", "length-only", count) in found
    assert all(r.learn is None for r in rows)
