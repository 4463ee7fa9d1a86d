"""Exploration of READ: exact probabilities, sets within the budget, and logs that replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from exploring import ExploringPolicy
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from automem_agents import MemoryController, Namespace
from automem_agents.errors import InvalidInput
from automem_agents.features import READ
from automem_agents.journal.decisions import candidates_of
from automem_agents.journal.schema import decisions
from automem_agents.operations.packing import Packer
from automem_agents.operations.read import ReadRequest, read
from automem_agents.operations.replay import drawn, logged_packer
from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import (
    Explorer,
    choose,
    draw_from,
    inclusion,
    near_ties,
    outcomes,
)
from automem_agents.protocols import Ints, Outcome, ReadChoice, ReadProblem

Open = Callable[..., MemoryController]
pure = pytest.mark.any_index


def counting_seeds(first: int = 0) -> Callable[[], int]:
    return iter(range(first, 10**9)).__next__


@st.composite
def choices(draw: st.DrawFn) -> tuple[ReadChoice, Packer]:
    """A ranking of candidates of any costs and dates, of which only the first are evidence, packed into a budget."""
    count = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scores = np.round(rng.uniform(0, 1, count), draw(st.integers(1, 3)))  # ties are wanted
    packer = Packer(
        seqs=np.arange(count),
        line_costs=rng.integers(1, 60, count),
        dates=np.sort(rng.integers(0, 6, count)),
        date_costs=np.full(count, 7),
        budget=draw(st.integers(-5, 300)),
        top_k=draw(st.none() | st.integers(1, 6)),
        pool=draw(st.integers(8, 50)),
    )
    order = np.argsort(-scores, kind="stable")[: draw(st.integers(0, 40))]
    return ReadChoice(scores=scores, order=order, shown=packer(order)), packer


def cost(packer: Packer, shown: Ints) -> int:
    """What a set costs, counted anew: its lines, and a date line wherever the date changes."""
    total, above = 0, 0
    for i in sorted(shown.tolist()):
        total += int(packer.line_costs[i]) + (7 if packer.dates[i] not in (0, above) else 0)
        above = int(packer.dates[i])
    return total


@pure
@given(choices(), st.floats(0.001, 1) | st.just(1.0), st.floats(0, 1), st.integers(2, 16))
def test_probabilities_are_exact(case: tuple[ReadChoice, Packer], epsilon: float, near: float, most: int) -> None:
    choice, packer = case
    listed = outcomes(choice, packer, epsilon=epsilon, near=near, most=most)
    sets = [frozenset(o.shown.tolist()) for o in listed]
    assert 1 <= len(listed) <= most
    assert len(set(sets)) == len(sets)  # the same set is listed once
    assert listed[0].shown.tolist() == choice.shown.tolist()
    assert listed[0].probability == (1.0 if len(listed) == 1 else 1 - epsilon)
    assert sum(o.probability for o in listed) == pytest.approx(1, abs=1e-12)
    assert all(o.probability > 0 for o in listed[1:])  # the policy's own has 0 where all is exploration
    included = inclusion(listed, len(choice.scores))
    for i in range(len(choice.scores)):
        assert included[i] == pytest.approx(sum(o.probability for o in listed if i in o.shown.tolist()), abs=1e-12)


@pure
@given(choices(), st.floats(0, 1))
def test_every_set_fits_and_holds_only_what_was_ranked(case: tuple[ReadChoice, Packer], near: float) -> None:
    choice, packer = case
    for outcome in outcomes(choice, packer, epsilon=0.5, near=near):
        shown = outcome.shown.tolist()
        assert len(set(shown)) == len(shown)
        assert set(shown) <= set(choice.order.tolist())
        assert cost(packer, outcome.shown) <= max(packer.budget, 0)
        assert packer.top_k is None or len(shown) <= packer.top_k


@pure
@given(choices(), st.floats(0, 0.5))
def test_a_swap_is_of_a_near_tie_across_the_edge(case: tuple[ReadChoice, Packer], near: float) -> None:
    choice, packer = case
    for outcome in outcomes(choice, packer, epsilon=0.5, near=near)[1:]:
        assert outcome.swap is not None
        out, into = outcome.swap
        assert out in choice.shown
        assert into in outcome.shown
        assert into not in choice.shown
        spread = np.ptp(choice.scores[choice.order])
        assert abs(choice.scores[out] - choice.scores[into]) <= near * spread + 1e-12


@pure
@given(choices(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(case: tuple[ReadChoice, Packer], random: object) -> None:
    choice, packer = case
    count = len(choice.scores)
    new = np.random.default_rng(random.randrange(10**6)).permutation(count)  # type: ignore[attr-defined]
    old = np.argsort(new)  # the candidate old[i] is now i; its seq and date stay with it
    moved = ReadChoice(scores=choice.scores[old], order=new[choice.order], shown=new[choice.shown])
    columns = {name: getattr(packer, name)[old] for name in ("seqs", "line_costs", "dates", "date_costs")}
    packing = Packer(**columns, budget=packer.budget, top_k=packer.top_k, pool=packer.pool)
    before = outcomes(choice, packer, epsilon=0.2, near=0.3)
    after = outcomes(moved, packing, epsilon=0.2, near=0.3)
    assert [(new[o.shown].tolist(), o.probability) for o in before] == [
        (o.shown.tolist(), o.probability) for o in after
    ]


@pure
@given(choices(), st.integers(0, 2**63 - 1))
def test_without_exploration_the_choice_stays_as_it_is(case: tuple[ReadChoice, Packer], seed: int) -> None:
    choice, packer = case
    assert Explorer(epsilon=0, seeds=lambda: seed).explored(choice, packer) is choice
    (own,) = outcomes(choice, packer, epsilon=0)
    assert (own.shown.tolist(), own.probability) == (choice.shown.tolist(), 1.0)


SCORES = np.array([0.9, 0.55, 0.52, 0.5, 0.45, 0.0])


def first_two(order: Ints) -> Ints:
    return order[:2]


def simple() -> ReadChoice:
    order = np.arange(len(SCORES))
    return ReadChoice(SCORES, order, order[:2])


@pure
def test_swaps_by_hand() -> None:
    assert near_ties(simple(), 0.1, 15) == [(1, 2), (1, 3)]  # within 0.09: not 0.45, and nothing is near 0.9
    listed = outcomes(simple(), first_two, epsilon=0.1, near=0.1)
    assert [o.shown.tolist() for o in listed] == [[0, 1], [0, 2], [0, 3]]
    assert [o.probability for o in listed] == pytest.approx([0.9, 0.05, 0.05])
    assert [o.swap for o in listed] == [None, (1, 2), (1, 3)]
    assert inclusion(listed, 6) == pytest.approx([1, 0.9, 0.05, 0.05, 0, 0])


@pure
def test_only_the_nearest_are_listed() -> None:
    assert near_ties(simple(), 1.0, 1) == [(1, 2)]
    assert len(outcomes(simple(), first_two, epsilon=0.1, near=1.0, most=3)) == 3


@pure
def test_swaps_that_give_the_same_set_are_one_outcome() -> None:
    whole = np.array([1.0, 0.99, 0.98, 0.97])
    order = np.arange(4)
    costs = [10, 10, 20, 20]

    def pack(ranking: Ints) -> Ints:
        left, shown = 20, []
        for i in ranking.tolist():
            if costs[i] <= left:
                left -= costs[i]
                shown.append(i)
        return np.array(shown, np.int64)

    choice = ReadChoice(whole, order, pack(order))
    listed = outcomes(choice, pack, epsilon=0.3, near=1.0)
    # 2 or 3 comes in where 0 stood, and leaves no room; where 1 stood, neither fits, which is no outcome
    assert [(o.shown.tolist(), round(o.probability, 6)) for o in listed] == [([0, 1], 0.7), ([2], 0.15), ([3], 0.15)]

    def pack_two_or_all(ranking: Ints) -> Ints:
        return np.sort(ranking[:2]) if 2 not in ranking[:2] else np.array([1, 2])

    merged = outcomes(ReadChoice(whole, order, order[:2]), pack_two_or_all, epsilon=0.3, near=1.0)
    assert sorted((o.shown.tolist(), round(o.probability, 6)) for o in merged) == [
        ([0, 1], 0.7),
        ([0, 3], 0.075),
        ([1, 2], 0.15),  # from two swaps
        ([1, 3], 0.075),
    ]


@pure
def test_draws_have_the_frequencies_they_should() -> None:
    explorer = Explorer(epsilon=0.3, near=0.1, seeds=counting_seeds())
    draws = 20_000
    drawn_sets = Counter(tuple(explorer.explored(simple(), first_two).shown.tolist()) for _ in range(draws))
    for outcome in outcomes(simple(), first_two, epsilon=0.3, near=0.1):
        error = np.sqrt(outcome.probability * (1 - outcome.probability) / draws)
        assert drawn_sets[tuple(outcome.shown.tolist())] / draws == pytest.approx(outcome.probability, abs=4 * error)


@pure
def test_every_draw_falls_on_an_outcome() -> None:
    shown = np.array([0])
    listed = [Outcome(shown, 0.7), Outcome(shown, 0.2), Outcome(shown, 0.1 - 1e-12)]
    assert [choose(listed, draw) for draw in (0.0, 0.6999, 0.7, 0.8999, 0.9, 1 - 2**-53)] == [0, 0, 1, 1, 2, 2]


@pure
def test_draws_are_uniform_and_made_from_the_seed_alone() -> None:
    draws = np.array([draw_from(seed) for seed in range(5000)])
    assert np.histogram(draws, 10, (0, 1))[0] == pytest.approx(np.full(10, 500), abs=100)
    assert draw_from(7) == draw_from(7) == 0.32383276483316237


@pure
@pytest.mark.parametrize("wrong", [{"epsilon": -0.1}, {"epsilon": 1.1}, {"epsilon": 0.1, "near": float("nan")}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="must be from 0 to 1"):
        Explorer(**wrong)
    with pytest.raises(InvalidInput, match="at least 2"):
        Explorer(epsilon=0.1, outcomes=1)


TOPICS = ["cat", "garden", "vase", "cello", "kitchen", "train", "letter"]


@pytest.fixture
def talks(open_memory: Open) -> MemoryController:
    memory = open_memory(user_id="ada")
    for n in range(60):
        text = f"The {TOPICS[n % 7]} and the {TOPICS[(n * 3 + 1) % 7]} of day {n} were {'very ' * (n % 5)}fine"
        memory.observe(
            {"role": "user", "name": "Ada", "content": text, "date": f"{n % 9 + 1} May"}, session=f"s{n // 9}"
        )
    return memory


def test_a_logged_read_replays(talks: MemoryController) -> None:
    policy = ExploringPolicy(RulesPolicy(), Explorer(epsilon=0.9, seeds=counting_seeds()))
    namespace, tokens = Namespace("ada"), []
    for n in range(60):
        request = ReadRequest(namespace, f"the {TOPICS[n % 7]} of day {n}", 60 + 5 * n, None if n % 4 else 3, None)
        recall, decision = read(talks.store, policy, request)
        talks._log.add(namespace, decision)
        tokens.append(recall.token)
        assert recall.tokens <= request.max_tokens
    talks.flush()
    taken = Counter()
    with talks.store.journal.read() as connection:
        for token in tokens:
            row = connection.execute(select(decisions).where(decisions.c.id == token)).one()
            candidates = candidates_of(connection, row.seq)
            shown = [c.position for c in candidates if c.shown]
            replay = drawn(row.arguments)
            assert replay is not None
            assert row.draw == draw_from(row.seed)
            assert replay.replayed(row.draw).tolist() == shown
            assert row.propensity == replay.outcomes[replay.taken].probability
            for c in candidates:
                mass = sum(o.probability for o in replay.outcomes if c.position in o.shown.tolist())
                assert c.inclusion_p == pytest.approx(mass, abs=1e-12)
            assert_rules_replay(talks, token, row, candidates, replay.outcomes[0])
            taken[replay.taken == 0] += 1
    assert min(taken.values()) >= 5


def assert_rules_replay(
    memory: MemoryController, token: str, row: object, candidates: list[object], own: Outcome
) -> None:
    """The rules, asked again with nothing but what is logged, pack the set that they packed."""
    logged = memory.explain(token).decision.candidates
    features = np.array([[c.features[name] for name in READ.names] for c in logged], np.float16)
    packer = logged_packer(row.arguments, [c.record_seq for c in candidates], [c.tokens for c in candidates])
    assert packer is not None
    choice = RulesPolicy().read(ReadProblem(READ.names, features.reshape(-1, len(READ.names)), packer))
    assert sorted(choice.shown.tolist()) == own.shown.tolist()


def test_what_comes_in_from_below_the_pool_is_logged(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", pool=8)
    for n in range(40):
        memory.add(f"The cat of day {n} was fine")
    policy = ExploringPolicy(RulesPolicy(), Explorer(epsilon=1.0, near=1.0, seeds=counting_seeds()))
    _, decision = read(memory.store, policy, ReadRequest(Namespace("ada"), "the cat", 300, None, None))
    replay = drawn(decision.arguments)
    assert replay is not None
    deepest = max(int(o.shown.max()) for o in replay.outcomes)
    assert deepest >= int(replay.outcomes[0].shown.max()) >= 8
    assert len(decision.candidates.record_seqs) == deepest + 1
    assert replay.replayed(decision.draw or 0).tolist() == np.flatnonzero(decision.candidates.shown).tolist()


@pure
def test_what_fits_to_the_last_token_is_packed() -> None:
    nothing = np.zeros(3, np.int64)
    packer = Packer(np.arange(3), np.array([5, 5, 5]), nothing, nothing, budget=10, top_k=None, pool=8)
    assert packer(np.array([2, 0, 1])).tolist() == [2, 0]


def test_what_is_no_evidence_never_comes_in(talks: MemoryController) -> None:
    strict = RulesPolicy(min_cosine=2.0)  # only a common word is evidence
    policy = ExploringPolicy(strict, Explorer(epsilon=1.0, near=1.0, seeds=counting_seeds()))
    request = ReadRequest(Namespace("ada"), "cello", 120, None, None)
    seen = {hit.record.text for _ in range(50) for hit in read(talks.store, policy, request)[0].hits}
    assert len(seen) > len(read(talks.store, strict, request)[0].hits)
    assert all("cello" in text for text in seen)


def test_a_read_without_exploration_logs_none(talks: MemoryController) -> None:
    request = ReadRequest(Namespace("ada"), "the cat of day 7", 200, None, None)
    off = ExploringPolicy(RulesPolicy(), Explorer(epsilon=0))
    recall, decision = read(talks.store, off, request)
    plain, _ = read(talks.store, RulesPolicy(), request)
    assert recall.records == plain.records
    assert (decision.draw, decision.seed, decision.propensity) == (None, None, 1.0)
    assert set(decision.arguments) == {"max_tokens", "top_k", "packing"}
    assert (off.name, off.version) == ("rules", RulesPolicy.version)


def test_where_nothing_is_recalled_there_is_one_outcome(memory: MemoryController) -> None:
    policy = ExploringPolicy(RulesPolicy(), Explorer(epsilon=0.5))
    recall, decision = read(memory.store, policy, ReadRequest(Namespace("ada"), "cello", 100, None, None))
    assert not recall.hits
    assert decision.propensity == 1.0
    replay = drawn(decision.arguments)
    assert replay is not None
    assert [o.shown.tolist() for o in replay.outcomes] == [[]]
