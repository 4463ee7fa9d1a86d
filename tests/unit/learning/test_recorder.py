"""Evidence counts exactly once, whatever is repeated, reordered or interrupted on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from bulk import fill
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lessons import AGAIN, KEY, LESSONS, UNKNOWN, WIFI, WRONG, learned, rewards_of, teach
from sqlalchemy import Connection, func, select

from automem_agents import MemoryController, Namespace, Outcome, Recall, Trajectory
from automem_agents.errors import InvalidInput
from automem_agents.journal.schema import credits, decision_candidates, decisions, records, signals
from automem_agents.testing import FakeClock

Open = Callable[..., MemoryController]
FACTS = [lesson.fact for lesson in LESSONS[:5]] + [
    f"Note {number}: the {('lamp', 'roof', 'gate')[number % 3]} of house {number} is old" for number in range(12)
]
ASKED = {"key": KEY.question, "wifi": WIFI.question, "again": AGAIN, "wrong": WRONG, "pancakes": LESSONS[2].question}


class Flaky(FakeClock):
    """A clock whose n-th answer from now on is an error, once."""

    left = 0

    def now(self) -> int:
        if self.left:
            self.left -= 1
            if not self.left:
                raise InvalidInput("the clock stands still")
        return super().now()


@dataclass(frozen=True)
class Told:
    """Feedback on the recall of a turn, or on the run if there is no turn."""

    turn: int | None
    score: float
    cites: bool
    key: str


@dataclass(frozen=True)
class Step:
    """A turn of a run, with what is told before it and what goes wrong on the way."""

    asks: str
    answer: str
    fails: bool = False
    ends: bool = False
    told: tuple[Told, ...] = ()
    repeats: int = 0
    breaks: tuple[int, ...] = ()


def repeatedly(memory: MemoryController, step: Step, work: Callable[[], Any]) -> None:
    """Try again until it works, then once more as often as the step says."""
    clock = memory.store.clock
    assert isinstance(clock, Flaky)
    for moment in step.breaks:
        clock.left = moment
        try:
            work()
        except InvalidInput:
            continue
        finally:
            clock.left = 0
    for _ in range(step.repeats + 1):
        work()


def recalled(run: Trajectory, step: Step) -> Recall:
    return run.recall(ASKED[step.asks], max_tokens=120)


def tell(memory: MemoryController, run: Trajectory, told: Told, recalls: list[Recall]) -> None:
    if told.turn is None:
        run.feedback(told.score, key=told.key)
        return
    recall = recalls[told.turn % len(recalls)]
    cited = [recall.hits[0].record.id] if told.cites and recall.hits else []
    memory.feedback(recall.token, told.score, cited=cited, key=told.key)


def live(memory: MemoryController, user: str, steps: list[Step], *, late: bool) -> None:
    """Go through a history; ``late`` tells everything at the end, in another order."""
    run = memory.trajectory(run_id=f"run of {user}", user_id=user)
    recalls: list[Recall] = []
    waiting: list[tuple[Step, Told]] = []
    for number, step in enumerate(steps):
        recalls.append(recalled(run, step))
        said = [{"role": "user", "content": ASKED[step.asks]}, {"role": "assistant", "content": step.answer}]
        outcomes = [Outcome("tool_error", "search")] if step.fails else []
        for told in step.told:
            waiting.append((step, told))
            if not late:
                repeatedly(memory, step, lambda told=told: tell(memory, run, told, recalls))  # type: ignore[misc]
        repeatedly(
            memory,
            step,
            lambda said=said, number=number, outcomes=outcomes: run.observe(  # type: ignore[misc]
                said, turn_id=f"turn {number}", outcomes=outcomes, remember=False
            ),
        )
        if step.ends:
            memory._end_run(run.namespace, run.run_id)
    for step, told in reversed(waiting) if late else ():
        turn = told.turn
        if turn is not None:  # which recall was meant when it was told
            turn %= steps.index(step) + 1 if steps.count(step) == 1 else len(recalls)
        repeatedly(memory, step, lambda told=told: tell(memory, run, told, recalls))  # type: ignore[misc]
    memory._end_run(run.namespace, run.run_id)


def outcome(memory: MemoryController, user: str) -> dict[str, Any]:
    """Return all that a history left: rewards, use, signals, the feed, and what was learned from."""
    memory.decisions(user_id=user)  # logs what is pending
    assert memory._learning is not None
    memory._learning.catch_up()
    key = Namespace(user).key
    mine = decisions.c.namespace == key
    with memory.store.journal.read() as connection:
        reads = connection.execute(
            select(decisions.c.seq, decisions.c.reward).where(mine, decisions.c.operation == "READ")
        ).all()
        of_candidates = [
            connection.execute(
                select(decision_candidates.c.used, decision_candidates.c.reward)
                .where(decision_candidates.c.decision_seq == row.seq)
                .order_by(decision_candidates.c.position)
            ).all()
            for row in sorted(reads)
        ]
        fed = select(func.count()).where(credits.c.namespace == key)
        kinds = select(signals.c.kind, func.count()).where(signals.c.namespace == key).group_by(signals.c.kind)
        used = select(records.c.text, records.c.used).where(records.c.namespace == key, records.c.used > 0)
        learner = memory._learning.policy.learner
        assert learner is not None
        return {
            "rewards": [row.reward for row in sorted(reads)],
            "candidates": of_candidates,
            "credits": connection.scalar(fed),
            "signals": sorted(connection.execute(kinds).all()),
            "used": sorted(connection.execute(used).all()),
            "learned from": learner.of_namespace.get(key, 0),
        }


told = st.builds(
    Told,
    turn=st.none() | st.integers(0, 3),
    score=st.sampled_from([1.0, 0.1, 0.3, -0.5, -1.0]),
    cites=st.booleans(),
    key=st.sampled_from("abcdef"),
)
steps = st.builds(
    Step,
    asks=st.sampled_from(sorted(ASKED)),
    answer=st.sampled_from([KEY.answer, WIFI.answer, LESSONS[2].answer, UNKNOWN]),
    fails=st.sampled_from([False, False, False, True]),
    ends=st.sampled_from([False, False, False, True]),
    told=st.lists(told, max_size=2).map(tuple),
    repeats=st.integers(0, 2),
    breaks=st.lists(st.integers(1, 8), max_size=2).map(tuple),
)


def plain(history: list[Step]) -> list[Step]:
    """The same history without anything that is repeated or interrupted."""
    return [Step(s.asks, s.answer, s.fails, s.ends, s.told) for s in history]


def each_told_once(history: list[Step]) -> list[Step]:
    """Keys name different feedback: which of two with one key comes first would matter, and rightly so."""
    seen: set[str] = set()
    found = []
    for step in history:
        kept = []
        for one in step.told:
            if one.key not in seen:
                seen.add(one.key)
                kept.append(one)
        found.append(Step(step.asks, step.answer, step.fails, step.ends, tuple(kept), step.repeats, step.breaks))
    return found


def check_histories(memory: MemoryController, count: int) -> None:
    """Live through generated histories, once with and once without what is repeated and interrupted."""
    number = 0
    seen = {"credits": 0, "used": 0, "signals": 0}

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(steps, min_size=1, max_size=4).map(each_told_once))
    def check(history: list[Step]) -> None:
        nonlocal number
        number += 1
        for user in (f"clean{number}", f"dirty{number}"):
            fill(memory, user, FACTS)
        live(memory, f"clean{number}", plain(history), late=False)
        live(memory, f"dirty{number}", history, late=False)
        clean, dirty = outcome(memory, f"clean{number}"), outcome(memory, f"dirty{number}")
        assert dirty == clean
        for name in seen:
            seen[name] += bool(clean[name])

    check()
    assert min(seen.values()) > count / 5, seen  # else the histories tested nothing


@pytest.mark.any_index
def test_histories_count_exactly_once(open_memory: Open) -> None:
    check_histories(open_memory(user_id="ada", clock=Flaky(), exploration=0, train=False), 60)


@pytest.mark.soak
def test_many_histories_count_exactly_once(open_memory: Open) -> None:
    check_histories(open_memory(user_id="ada", clock=Flaky(), exploration=0, train=False), 500)


def test_the_order_of_feedback_does_not_matter(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", clock=Flaky(), exploration=0, train=False)
    number = 0

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(
        st.permutations([Told(0, s, c, k) for s, c, k in zip((1, 0.1, 0.3, -0.5), (1, 0, 0, 0), "abcd", strict=True)])
    )
    def check(order: list[Told]) -> None:
        nonlocal number
        number += 1
        user = f"user{number}"
        fill(memory, user, FACTS)
        run = memory.trajectory(run_id="r", user_id=user)
        recalls = [run.recall(KEY.question, max_tokens=120)]
        for one in order:
            tell(memory, run, one, recalls)
        found = outcome(memory, user)
        assert found["rewards"] == [pytest.approx(0.225, abs=0)]
        assert found["used"] == [(KEY.fact, 1)]
        assert found["credits"] == found["learned from"] == 1

    check()


def test_a_turn_that_is_not_told_of_is_gone_on_from_once_it_is_committed(memory: MemoryController) -> None:
    """Another turn of the run can be noted before the first one has told that it is committed."""
    teach(memory)
    assert memory._learning is not None
    runs = memory._learning.recorder.runs
    run = memory.trajectory(run_id="r")
    run.recall(KEY.question)
    turned, runs.turn = runs.turn, lambda *_: None  # type: ignore[method-assign]
    run.observe([{"role": "user", "content": KEY.question}, {"role": "assistant", "content": KEY.answer}])
    runs.turn = turned  # type: ignore[method-assign]
    run.recall(WIFI.question)
    run.observe([{"role": "user", "content": WIFI.question}, {"role": "assistant", "content": WIFI.answer}])
    memory._end_run(run.namespace, run.run_id)
    assert learned(memory) == ({"used": 2}, [1.0, 1.0], [KEY.fact, WIFI.fact])


def test_what_is_asked_while_a_turn_commits_is_of_the_next_turn(memory: MemoryController) -> None:
    teach(memory)
    assert memory._learning is not None
    recorder = memory._learning.recorder
    run, namespace = memory.trajectory(run_id="r"), Namespace("ada")
    run.recall(KEY.question)
    told = recorder.turned

    def asked_before(*given: Any) -> None:
        late = memory._recall(namespace, WIFI.question, None, None, "r", None)
        assert late.hits
        told(*given)

    recorder.turned = asked_before  # type: ignore[method-assign]
    run.observe([{"role": "user", "content": KEY.question}, {"role": "assistant", "content": KEY.answer}])
    recorder.turned = told  # type: ignore[method-assign]
    run.observe([{"role": "user", "content": WIFI.question}, {"role": "assistant", "content": WIFI.answer}])
    memory._end_run(namespace, "r")
    assert learned(memory) == ({"used": 2}, [1.0, 1.0], [KEY.fact, WIFI.fact])


def test_feedback_on_runs_with_similar_names_does_not_collide(memory: MemoryController) -> None:
    assert memory.trajectory(run_id="a/b").feedback(1.0).counted
    assert memory.trajectory(run_id="a").feedback(1.0, key="b/").counted
    assert not memory.trajectory(run_id="a/b").feedback(1.0).counted


def test_feedback_that_was_never_credited_is_credited_by_who_comes_next(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", learn="off")
    teach(memory)
    recall = memory.recall(KEY.question)
    memory.feedback(recall.token, 1.0, cited=["m1"])
    memory.close()
    again = open_memory(user_id="ada")
    assert rewards_of(again) == [1.0]
    assert [record.used for record in again.records(limit=2)] == [1, 0]


def test_a_crash_leaves_evidence_that_counts_once(open_memory: Open, tmp_path: Path) -> None:
    """What was noted, but not credited when the process died, is credited by whoever opens the store later."""
    clock = FakeClock()
    memory = open_memory(user_id="ada", clock=clock)
    teach(memory)
    run = memory.trajectory(run_id="r")
    run.recall(KEY.question)
    run.observe([{"role": "user", "content": KEY.question}, {"role": "assistant", "content": KEY.answer}])
    with sqlite3.connect(tmp_path / "memory" / "journal.db") as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copytree(tmp_path / "memory", tmp_path / "crashed", ignore=lambda *_: ["index"])
    clock.advance(1000)
    for _ in range(2):
        heir = open_memory(tmp_path / "crashed", user_id="ada", clock=clock)
        assert learned(heir) == ({"used": 1}, [1.0], [KEY.fact])
        assert [record.used for record in heir.records(limit=2)] == [1, 0]
        assert heir._learning is not None
        assert heir._learning.policy.learner is not None
        assert heir._learning.policy.learner.total == 1
        heir.close()


def test_what_was_said_to_be_used_and_was_not_is_taken_back(memory: MemoryController) -> None:
    teach(memory)
    recall = memory.recall(KEY.question)
    memory.feedback(recall.token, 1.0, cited=["m1"], key="a")
    with memory.store.working_set(Namespace("ada").key) as ws:
        slots = ws.slots([recall.hits[0].seq])
    seq = recall.hits[0].seq
    first = [one.used for one in memory.records(limit=2)]
    memory.feedback(recall.token, -1.0, cited=["m1"], key="b")
    memory.feedback(recall.token, -1.0, cited=["m1"], key="c")
    assert first == [1, 0]
    assert [one.used for one in memory.records(limit=2)] == [0, 0]
    with memory.store.working_set(Namespace("ada").key) as ws:
        assert ws.use(ws.slots([seq]))[0, 1] == 0
    assert len(slots) == 1


def test_what_waits_for_a_commit_is_not_done_without_one(memory: MemoryController) -> None:
    journal, done = memory.store.journal, []

    def fails(name: str) -> None:
        journal.once_committed(lambda: done.append(name))
        raise ZeroDivisionError

    def rolled_back() -> None:
        with journal.write():
            fails("rolled back")

    def taken_back(connection: Connection) -> None:
        with journal.attempt(connection):
            journal.set_meta(connection, "colour", "red")
            fails("taken back")

    with pytest.raises(ZeroDivisionError):
        rolled_back()
    with journal.write() as connection:
        journal.once_committed(lambda: done.append("committed"))
        with pytest.raises(ZeroDivisionError):
            taken_back(connection)
        journal.set_meta(connection, "taste", "sweet")
        assert done == []
    assert done == ["committed"]
    with journal.read() as connection:
        assert (journal.meta(connection, "colour"), journal.meta(connection, "taste")) == (None, "sweet")
