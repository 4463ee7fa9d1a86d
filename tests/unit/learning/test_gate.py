"""The gate: when it opens, what keeps it closed, what closes it, and who may veto."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from automem_agents.errors import InvalidInput, PolicyError
from automem_agents.learning.gate import Cause, Change, Gate, GateSettings, Replayed

pytestmark = pytest.mark.any_index


def decisions(
    mean: float, number: int = 1000, *, auc: float = 0.7, used: float | None = None, seed: int = 1, namespaces: int = 20
) -> Iterator[Replayed]:
    """Judged decisions of chats, of which 80 % make no difference."""
    rng = np.random.default_rng(seed)
    size = ((0.25**2 + mean**2) / 0.2) ** 0.5
    for step in range(number):
        up = rng.random() < 0.5 + mean / (0.4 * size)
        yield Replayed(
            namespace=step % namespaces,
            cluster="chat",
            difference=0.0 if rng.random() < 0.8 else size if up else -size,
            fixed_auc=(int(rng.binomial(6, auc)), 6),
            mass_unjudged=0.25,
            used=None if used is None else float(rng.random() < used),
        )


def feed(gate: Gate, stream: Iterator[Replayed]) -> list[Change]:
    return [change for replayed in stream if (change := gate.add(replayed)) is not None]


@pytest.fixture
def opened() -> Gate:
    """A gate that has just opened for chats; half of what was shown before was used."""
    gate = Gate()
    for replayed in decisions(0.05, used=0.5):
        if gate.add(replayed) is not None:
            return gate
    raise AssertionError("it did not open")


def test_it_opens_for_all_namespaces_of_a_cluster_and_for_no_other() -> None:
    gate = Gate()
    (change,) = feed(gate, decisions(0.05))
    assert (change.cluster, change.number, change.open, change.cause) == ("chat", 0, True, Cause.BETTER)
    assert (change.attempt, change.evidence >= 25) == (1, True)
    verdict = gate.verdict(99, "chat")
    assert (verdict.open, verdict.decisions, verdict.attempt, verdict.needed) == (True, 1000, 1, pytest.approx(25))
    assert verdict.low < 0.05 < verdict.high
    assert verdict.unjudged == pytest.approx(0.25)
    assert verdict.reason.startswith("open: proved better, +0.0")
    assert not gate.verdict(99, "assistant").open
    assert gate.verdict(99, "assistant").reason.startswith("closed: feedback isn't proved informative")


@pytest.mark.parametrize("mean", [0.0, -0.05])
def test_it_stays_closed_to_what_is_no_better(mean: float) -> None:
    gate = Gate()
    assert feed(gate, decisions(mean, 2000)) == []
    verdict = gate.verdict(0, "chat")
    assert not verdict.open
    assert verdict.reason.startswith("closed: not proved better, evidence ")


def test_a_learner_that_is_no_better_hardly_ever_rules() -> None:
    opened = sum(bool(feed(Gate(), decisions(0.0, 500, seed=seed))) for seed in range(80))
    assert opened <= 7  # alpha is .04; 8 of 80 would have a chance of .01


def test_a_gain_on_feedback_that_says_nothing_opens_nothing() -> None:
    gate = Gate()
    assert feed(gate, decisions(0.08, 600, auc=0.5)) == []
    assert gate.verdict(0, "chat").evidence > 25
    assert gate.verdict(0, "chat").reason.startswith("closed: feedback isn't proved informative")


def test_decisions_without_a_pair_say_nothing_on_feedback() -> None:
    gate = Gate()
    for pairs in (None, (0, 0)):
        for _ in range(100):
            gate.add(Replayed(namespace=1, cluster="chat", difference=0.5, fixed_auc=pairs))
    assert gate.verdict(1, "chat").informative == 1


def test_harm_closes_it_and_costs_an_attempt(opened: Gate) -> None:
    (change,) = feed(opened, decisions(-0.10, 400, seed=2))
    assert (change.open, change.cause, change.attempt) == (False, Cause.WORSE, 1)
    assert change.evidence >= 20
    verdict = opened.verdict(0, "chat")
    assert (verdict.open, verdict.attempt, verdict.needed) == (False, 2, pytest.approx(125))
    assert feed(opened, decisions(0.05, 30, seed=3)) == []
    (again,) = feed(opened, decisions(0.05, 1000, seed=4))
    assert (again.open, again.attempt) == (True, 2)


def test_a_falling_use_closes_it(opened: Gate) -> None:
    change = feed(opened, decisions(0.05, 600, used=0.2, seed=2))[0]
    assert (change.open, change.cause) == (False, Cause.LESS_USED)
    assert change.decisions < 600


def test_a_use_that_stays_does_not(opened: Gate) -> None:
    assert feed(opened, decisions(0.05, 2000, used=0.5, seed=2)) == []


def test_a_use_that_nobody_knew_before_closes_nothing() -> None:
    gate = Gate()
    assert len(feed(gate, decisions(0.05))) == 1
    assert feed(gate, decisions(0.05, used=0.0, seed=2)) == []


def test_closing_by_hand(opened: Gate) -> None:
    change = opened.close("chat")
    assert change is not None
    assert (change.open, change.cause, opened.verdict(0, "chat").attempt) == (False, Cause.BY_HAND, 2)
    assert opened.close("chat") is None
    assert opened.verdict(0, "chat").attempt == 2


def test_attempts_share_one_alpha(opened: Gate) -> None:
    needed = []
    for _ in range(12):
        needed.append(opened.verdict(0, "chat").needed)
        opened.close("chat")
        for _ in range(80):
            opened.add(Replayed(namespace=0, cluster="chat", difference=1, fixed_auc=(1, 1)))
    assert sum(1 / n for n in needed) * 2 <= 0.10
    assert needed[:3] == pytest.approx([25, 125, 625])


# -- namespaces --------------------------------------------------------------------------------------------------


def replay(gate: Gate, namespace: int, difference: float, times: int) -> None:
    for _ in range(times):
        gate.add(Replayed(namespace=namespace, cluster="chat", difference=difference))


def test_a_namespace_vetoes_on_its_own_harm_only(opened: Gate) -> None:
    rng = np.random.default_rng(1)
    for step in range(150):
        opened.add(Replayed(namespace=500, cluster="chat", difference=float(rng.choice([0, 0, 0, 0, -0.5]))))
        replay(opened, 501 + step, 0.1, 2)
    verdict = opened.verdict(500, "chat")
    assert (verdict.open, verdict.vetoed, verdict.own_decisions) == (False, True, 150)
    assert verdict.own < 0 < verdict.mean
    assert "this namespace's own decisions speak against it" in verdict.reason
    assert opened.verdict(501, "chat").open
    opened.forget(500)
    assert opened.verdict(500, "chat").open
    assert "500" not in json.loads(opened.dump())["namespaces"]


def test_a_veto_is_known_before_the_gate_opens() -> None:
    gate = Gate()
    for other in range(60):
        replay(gate, other, 0.1, 4)
        replay(gate, 500, -0.2, 1)
    verdict = gate.verdict(500, "chat")
    assert (verdict.open, verdict.vetoed, gate.verdict(1, "chat").vetoed) == (False, True, False)
    assert "proved" in verdict.reason


def test_a_short_chat_proves_nothing_alone(opened: Gate) -> None:
    replay(opened, 500, -0.05, 18)
    assert opened.verdict(500, "chat").open
    closed = Gate()
    replay(closed, 500, 1.0, 5)
    assert not closed.verdict(500, "chat").open


def test_a_veto_ends_when_the_namespace_does_well_again(opened: Gate) -> None:
    for other in range(30):
        replay(opened, other, 0.2, 3)
        replay(opened, 500, -0.3, 1)
    assert opened.verdict(500, "chat").vetoed
    replay(opened, 500, 0.3, 50)
    assert opened.verdict(500, "chat").open


def test_a_namespace_that_changes_its_kind_begins_anew(opened: Gate) -> None:
    opened.add(Replayed(namespace=0, cluster="assistant", difference=0.1))
    assert opened.verdict(0, "assistant").own_decisions == 1
    assert opened.verdict(0, "chat").own_decisions == 0


def test_the_longest_unseen_namespace_is_forgotten() -> None:
    gate = Gate(GateSettings(namespaces=3))
    for namespace in (1, 2, 3, 1, 4):
        replay(gate, namespace, 0.0, 1)
    assert [gate.verdict(n, "chat").own_decisions for n in (1, 2, 3, 4)] == [2, 0, 1, 1]


# -- state and arguments -----------------------------------------------------------------------------------------


def test_a_gate_goes_on_exactly_where_it_was_saved() -> None:
    whole, parts = Gate(), Gate()
    for step, replayed in enumerate(decisions(0.04, 900, used=0.4)):
        assert whole.add(replayed) == parts.add(replayed)
        if step % 97 == 0:
            parts = Gate.load(parts.dump())
    assert parts.dump() == whole.dump()
    assert parts.verdict(3, "chat") == whole.verdict(3, "chat")


def test_a_cluster_that_is_new_begins_at_nothing(opened: Gate) -> None:
    gate = Gate.load(opened.dump(), GateSettings(clusters=("chat", "code")))
    assert gate.verdict(0, "chat").open
    assert gate.verdict(0, "code").decisions == 0


@pytest.mark.parametrize("state", ["", "{", "[]", "{}", '{"attempts": {"chat": {"better": 3}}, "namespaces": {}}'])
def test_a_state_that_is_none_is_refused(state: str) -> None:
    with pytest.raises(PolicyError, match="not the state of a gate"):
        Gate.load(state)


def test_a_test_with_other_stakes_is_refused() -> None:
    state = json.loads(Gate().dump())
    state["attempts"]["chat"]["better"]["capital"] = [1.0]
    with pytest.raises(PolicyError):
        Gate.load(json.dumps(state))


@pytest.mark.parametrize(
    "wrong",
    [
        {"difference": 1.5},
        {"difference": float("nan")},
        {"fixed_auc": (3, 2)},
        {"fixed_auc": (-1, 2)},
        {"mass_unjudged": 2},
        {"used": -0.1},
    ],
)
def test_a_replay_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Replayed(**{"namespace": 1, "cluster": "chat", "difference": 0.0, **wrong})  # type: ignore[arg-type]


def test_an_unknown_cluster_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cluster must be one of chat, assistant"):
        Gate().add(Replayed(namespace=1, cluster="code", difference=0.0))


@pytest.mark.parametrize(
    "wrong", [{"clusters": ()}, {"clusters": ("a", "a")}, {"alpha": 0}, {"namespaces": 0}, {"veto_errors": -1}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        GateSettings(**wrong)  # type: ignore[arg-type]
