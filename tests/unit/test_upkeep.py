"""Keeping order: expire, prune, vacuum; what it leaves alone, and the way back."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from harbour_records import Open, by_hand, fill, live, text_of
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents import Action, KindRules, MemoryController, MemorySchema, Operation, State
from automem_agents.errors import Conflict, Erased, InvalidInput, PolicyError
from automem_agents.features import KEEP
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import KeepChoice, KeepProblem
from automem_agents.testing import FakeClock, HashEmbedder


class OldestFirst(RulesPolicy):
    """Takes what is newer to be worth more."""

    def keep(self, problem: KeepProblem) -> KeepChoice:
        return KeepChoice(-problem.features[:, problem.names.index("age")].astype(np.float64))


class Nonsense(RulesPolicy):
    """Values nothing."""

    def keep(self, problem: KeepProblem) -> KeepChoice:
        return KeepChoice(np.full(len(problem.features), np.nan))


# -- prune -----------------------------------------------------------------------------------------------------------


def test_a_budget_of_records_prunes_to_nine_tenths_of_it(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=20, policy=OldestFirst())
    fill(memory, 25)
    (decision,) = memory.consolidate()
    assert (decision.action, decision.reason, decision.policy) == (
        Action.PRUNE, "budget: 25 of 20 records", "rules@1",
    )  # fmt: skip
    assert live(memory) == [text_of(number) for number in range(7, 25)]
    assert [d.action for d in memory.consolidate()] == [Action.NONE]


def test_nothing_is_pruned_within_the_budget(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=20)
    fill(memory, 20)
    (nothing,) = memory.consolidate()
    assert (nothing.action, nothing.legal) == (Action.NONE, (Action.NONE,))
    assert len(live(memory)) == 20


def test_a_cap_is_for_its_kind_and_the_others_keep_theirs(open_memory: Open) -> None:
    schema = MemorySchema(kinds={"state": KindRules(cap=4), "recipe": KindRules(cap=10)})
    memory = by_hand(open_memory, schema=schema, policy=OldestFirst())
    fill(memory, 6, kind="state")
    fill(memory, 6, start=10, kind="recipe")
    fill(memory, 6, start=20)
    (decision,) = memory.consolidate()
    assert decision.reason == "cap of kind state: 6 of 4"
    assert len(memory.records(kind="state")) == 4
    assert len(live(memory)) == 16


def test_a_record_with_a_key_counts_as_keyed(open_memory: Open) -> None:
    memory = by_hand(open_memory, schema=MemorySchema(kinds={"keyed": KindRules(cap=2)}), policy=OldestFirst())
    for number in range(4):
        memory.add(text_of(number), key=f"berth {number}")
    fill(memory, 4, start=10)
    memory.consolidate()
    assert live(memory) == [text_of(number) for number in (2, 3, 10, 11, 12, 13)]


def test_a_budget_of_bytes_counts_tombstones_and_leaves_them_room(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_bytes=10_000, policy=OldestFirst())
    fill(memory, 40)  # a vector of 64 floats and some text: about 300 bytes each
    (first, *_) = memory.consolidate()
    assert first.reason.startswith("budget: ")
    assert first.reason.endswith(" of 8000 bytes")
    assert len(first.records) > 10
    (last,) = fill(memory, 1, start=40)
    assert memory.health().order["bytes"].endswith("in the fullest namespace")
    held = memory.health()
    assert held.live == 41 - len(first.records)
    assert 0 < held.tombstones < len(first.records)  # what the budget had no room for is gone
    assert memory.get(last).state is State.LIVE
    with pytest.raises(Erased, match="physically removed"):
        memory.undo(first.id)


def test_what_was_used_stays(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=20, learn="off")
    ids = fill(memory, 25)
    with memory.store.journal.write() as connection:
        connection.exec_driver_sql("UPDATE records SET used = 3 WHERE id = ?", (ids[0],))
    memory.consolidate()
    assert memory.get(ids[0]).state is State.LIVE


def test_what_was_used_stays_for_a_while_and_not_for_ever(open_memory: Open) -> None:
    """By the order of time alone, the first ones would go; texts are alike but for their numbers."""
    memory = by_hand(open_memory, max_records=20)
    (used,) = memory.add("Berth 7 holds the heron of 1807").record_ids
    for start, stays in ((100, True), (200, False)):
        if stays:
            recall = memory.recall("Who holds the heron?")
            memory.feedback(recall.token, "POSITIVE", cited=[used])
            memory.flush()
        fill(memory, 21 if stays else 90, start=start)
        memory.consolidate()
        assert (memory.get(used).state is State.LIVE) == stays


def test_what_an_assistant_said_goes_before_what_its_user_said(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=10)
    fill(memory, 6)
    said = fill(memory, 6, start=20, role="assistant")
    (decision,) = memory.consolidate()
    assert set(decision.records) <= set(said)


def test_small_talk_goes_before_facts(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=10)
    for greeting in ("Thanks!", "Good morning", "See you later", "How are you?"):
        memory.add(greeting)
    fill(memory, 8)
    memory.consolidate()
    assert sum(text.startswith("Berth") for text in live(memory)) == 8
    assert len(live(memory)) == 9


def test_a_policy_that_gives_no_values_changes_nothing(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=10, policy=Nonsense())
    fill(memory, 12)
    with pytest.raises(PolicyError, match="finite value for each of 12"):
        memory.consolidate()
    assert len(live(memory)) == 12


def test_a_large_prune_is_several_decisions(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=100, policy=OldestFirst())
    memory.observe([{"role": "user", "content": text_of(n)} for n in range(400)])
    made = memory.consolidate()
    assert [len(decision.records) for decision in made] == [256, 54]
    assert len(live(memory)) == 90
    for decision in reversed(made):
        memory.undo(decision.id)
    assert len(live(memory)) == 400


def test_every_decision_says_what_it_saw_and_is_never_explored(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=10)
    fill(memory, 12)
    (decision,) = memory.consolidate()
    assert decision.features["of_max_records"] == pytest.approx(1.2, abs=1e-3)
    assert decision.features["never_used"] == 1.0
    assert (decision.operation, decision.propensity) == (Operation.CONSOLIDATE, 1.0)
    assert decision.legal == (Action.NONE, Action.PRUNE)
    (logged,) = memory.decisions(operation="CONSOLIDATE")
    assert logged.features == decision.features
    assert set(logged.records) == set(decision.records)
    assert "of_max_records" in str(memory.explain(decision.id))


def test_a_prune_says_what_each_record_was_worth_so_that_it_can_be_replayed(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=20)
    fill(memory, 30)
    memory.add("Thank you very much!")
    (decision,) = memory.consolidate()
    (logged,) = memory.decisions(operation="CONSOLIDATE")
    seen = logged.candidates
    assert [c.record_id for c in seen if not c.shown] == list(decision.records)
    assert (len(decision.records), len(seen)) == (13, 21)
    features = np.array([tuple(c.features.values()) for c in seen], np.float16)
    replayed = RulesPolicy().keep(KeepProblem(tuple(seen[0].features), features)).values
    assert replayed.tolist() == [c.value for c in seen]
    assert np.all(np.diff(replayed) >= 0)
    explained = memory.explain(decision.id)
    assert explained.contributions[seen[0].record_id]["small_talk"] == -2.0
    assert sum(explained.contributions[seen[-1].record_id].values()) == pytest.approx(seen[-1].value)
    went, stayed = (line for line in str(explained).splitlines() if "Thank you" in line or text_of(12) in line)
    assert went.startswith("  goes ")
    assert "small_talk -2.00" in went
    assert stayed.startswith("  stays ")


def test_what_another_policy_makes_of_a_record_is_told(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=10, policy=OldestFirst())
    ids = fill(memory, 12)
    (decision,) = memory.consolidate()
    shares = memory.explain(decision.id).contributions[ids[0]]
    assert sum(shares.values()) == pytest.approx(-np.log(12), abs=0.01)
    assert "beyond the rules" in shares


def test_a_deleted_record_leaves_no_trace_in_the_prune_that_took_it(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=10)
    ids = fill(memory, 12)
    (decision,) = memory.consolidate()
    memory.delete(decision.records[0])
    (logged,) = memory.decisions(operation="CONSOLIDATE")
    assert (logged.candidates, logged.features) == ((), {})
    assert str(memory.explain(decision.id))
    assert len(ids) == 12


# -- expire ----------------------------------------------------------------------------------------------------------


def test_what_is_too_old_expires_by_its_kind(open_memory: Open) -> None:
    clock = FakeClock()
    schema = MemorySchema(kinds={"log": KindRules(retention=timedelta(days=1)), "state": {"retention": 60}})
    memory = by_hand(open_memory, schema=schema, clock=clock)
    fill(memory, 2)
    fill(memory, 2, start=5, kind="state")
    fill(memory, 2, start=10, kind="reference")
    clock.advance(61)
    (decision,) = memory.consolidate()
    assert (decision.action, decision.reason) == (Action.PRUNE, "retention of kind state")
    clock.advance(86_400)
    (decision,) = memory.consolidate()
    assert decision.reason == "retention of kind log"
    assert live(memory) == [text_of(10), text_of(11)]


# -- undo, vacuum ----------------------------------------------------------------------------------------------------


def test_what_an_undo_brought_back_is_not_taken_again_at_once(open_memory: Open) -> None:
    clock = FakeClock()
    schema = MemorySchema(max_records=20, kinds={"state": KindRules(retention=60)})
    memory = by_hand(open_memory, schema=schema, policy=OldestFirst(), clock=clock)
    fill(memory, 25)
    (pruned,) = memory.consolidate()
    memory.undo(pruned.id)
    assert len(live(memory)) == 25  # undo wins over the budget
    (again,) = memory.consolidate()
    assert not set(again.records) & set(pruned.records)
    (expiring,) = memory.add("The tide is high", kind="state").record_ids
    clock.advance(61)
    expired = next(d for d in memory.consolidate() if d.reason == "retention of kind state")
    memory.undo(expired.id)
    memory.consolidate()
    assert memory.get(expiring).state is State.LIVE


def test_vacuum_removes_tombstones_for_good(open_memory: Open) -> None:
    clock = FakeClock()
    memory = by_hand(open_memory, max_records=20, clock=clock)
    fill(memory, 25)
    (pruned,) = memory.consolidate()
    clock.advance(3600)
    (one,) = memory.records(limit=1)
    forgotten = memory.forget(one.id)
    assert memory.vacuum(older_than=timedelta(minutes=30)) == 7
    with pytest.raises(Erased):
        memory.undo(pruned.id)
    memory.undo(forgotten.id)
    assert len(live(memory)) == 18
    assert len(memory.records(limit=None, tombstones=True)) == 18
    assert memory.vacuum() == 0


def test_an_update_whose_old_version_is_gone_can_not_be_undone(open_memory: Open) -> None:
    memory = by_hand(open_memory)
    memory.add("Ada lives in Turin", key="home")
    update = memory.add("Ada lives in Oslo", key="home").decisions[0]
    assert memory.vacuum() == 1
    with pytest.raises(Erased, match="1 of the records"):
        memory.undo(update.id)
    assert live(memory) == ["Ada lives in Oslo"]


def test_vacuum_takes_what_was_skipped_and_leaves_other_namespaces(open_memory: Open) -> None:
    memory = by_hand(open_memory)
    memory.observe({"role": "user", "content": "Thanks!"})
    for user in ("ada", "bob"):
        memory.forget(*memory.add("The tide is high", user_id=user).record_ids, user_id=user)
    assert memory.vacuum() == 2
    assert len(memory.records(tombstones=True, user_id="bob")) == 1


@pytest.mark.parametrize("wrong", [3, timedelta(seconds=-1), "all", None])
def test_vacuum_takes_a_time_span(memory: MemoryController, wrong: object) -> None:
    with pytest.raises(InvalidInput, match="older_than"):
        memory.vacuum(older_than=wrong)  # type: ignore[arg-type]


def test_a_dry_run_says_what_a_pass_does_and_changes_nothing(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=20, policy=OldestFirst())
    fill(memory, 25)
    memory.add("I keep the blue bicycle in the north shed")
    memory.add("I keep the blue bicycle in the north shed!")
    before = memory.health()
    planned = memory.consolidate(dry_run=True)
    after = memory.health()
    assert (after.live, after.decisions, after.order) == (before.live, before.decisions, before.order)
    made = memory.consolidate()
    assert [(d.action, d.reason, d.records) for d in planned] == [(d.action, d.reason, d.records) for d in made]


# -- what holds whatever happens -------------------------------------------------------------------------------------

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["log", "pinned", "state", "keyed", "pass", "undo", "vacuum", "wait"]), st.integers(0, 40)
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=30)
@given(steps=_STEPS, cap=st.integers(1, 12))
def test_no_pinned_record_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], cap: int
) -> None:
    clock, pinned = FakeClock(), set()
    schema = MemorySchema(
        max_records=cap, max_bytes=cap * 400, kinds={"state": {"retention": 30}, "log": {"cap": max(1, cap - 1)}}
    )
    options: dict[str, object] = {"embedder": HashEmbedder(), "strict": True, "learn": "off", "upkeep": "off"}
    folder = tmp_path_factory.mktemp("memory")
    with MemoryController.open(folder, user_id="ada", schema=schema, clock=clock, **options) as memory:  # type: ignore[arg-type]
        memory.add("Bob has a secret", user_id="bob")
        for what, number in steps:
            if what == "pass":
                memory.consolidate()
            elif what == "vacuum":
                memory.vacuum()
            elif what == "wait":
                clock.advance(number)
            elif what == "undo":
                _undo(memory, number)
            elif what == "keyed":
                memory.add(text_of(number), key="berth")
            else:
                ids = memory.add(text_of(number), kind=what).record_ids
                pinned |= set(ids) if what == "pinned" else set()
        memory.consolidate()
        assert all(memory.get(i).state is State.LIVE for i in pinned)
        assert live(memory, user_id="bob") == ["Bob has a secret"]
        found = {record.id for record in memory.records(limit=None)}
        for hit in memory.search("berth holds anchor", top_k=50):
            assert hit.record.id in found


def _undo(memory: MemoryController, number: int) -> None:
    made = [d for d in memory.decisions(limit=100, operation="CONSOLIDATE") if d.records and not d.undone]
    if made:
        try:
            memory.undo(made[number % len(made)].id)
        except (Conflict, Erased):
            assert memory.health().failures == {}


def test_the_features_of_records_are_those_that_are_named(open_memory: Open) -> None:
    seen: list[KeepProblem] = []

    class Looks(RulesPolicy):
        def keep(self, problem: KeepProblem) -> KeepChoice:
            seen.append(problem)
            return super().keep(problem)

    memory = by_hand(open_memory, max_records=3, policy=Looks())
    fill(memory, 3)
    memory.add("Thanks!", role="assistant")
    memory.recall("Which berth holds the crane?", top_k=1)
    memory.consolidate()
    (problem,) = seen
    assert problem.names == KEEP.names
    assert problem.features.shape == (4, len(KEEP.names))

    def column(name: str) -> list[float]:
        return problem.features[:, problem.names.index(name)].astype(float).tolist()

    assert column("age") == pytest.approx(np.log1p([3, 2, 1, 0]), abs=1e-2)
    assert column("assistant") == [0, 0, 0, 1]
    assert column("small_talk") == [0, 0, 0, 1]
    assert sorted(column("since_shown"))[0] == 0.0  # the last decision showed it
    assert sorted(column("since_shown"))[1:] == pytest.approx([np.log1p(1000)] * 3, abs=1e-2)
    assert sorted(column("shown")) == pytest.approx([0, 0, 0, np.log1p(1)], abs=1e-2)
    assert column("since_used") == pytest.approx(np.log1p([4, 3, 2, 1]), abs=1e-2)  # since it was stored


def test_what_is_pinned_stays_so_until_its_user_forgets_it(open_memory: Open) -> None:
    memory = by_hand(open_memory, max_records=2)
    (pin,) = memory.add("Answer in Dutch", kind="pinned").record_ids
    memory.forget(pin)
    assert memory.get(pin).state is State.FORGOTTEN
    memory.add("Answer in Dutch", kind="pinned")
    memory.observe({"role": "user", "content": "Answer in Dutch!"})
    (kept,) = memory.records(kind="pinned")
    memory.add("Answer in Frisian", key="language", kind="pinned")
    memory.add("Answer in Danish", key="language")
    assert [r.text for r in memory.records(kind="pinned")] == [kept.text, "Answer in Danish"]
