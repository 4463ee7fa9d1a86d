"""Living through streams: what must be as in the benchmark of conversations, and what must not matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from automem_agents.bench.learning.modes import Mode
from automem_agents.bench.learning.prequential import Asked, Job, Learn, Lived, live, memory_on
from automem_agents.bench.learning.rows import (
    LearningRow,
    changes_of_rule,
    details_of,
    rows_of,
    studies_of,
)
from automem_agents.bench.learning.streams import Stream, streams_of
from automem_agents.bench.learning.teachers import teacher
from automem_agents.bench.learning.workshop import Prepared, live_all, prepared
from automem_agents.bench.rows import rows_of as conversation_rows
from automem_agents.bench.run import Plan, run
from automem_agents.protocols import Floats
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import TiktokenCounter

from .learning_talks import talk

pytestmark = pytest.mark.any_index

PLAN = Plan(budgets=(40, 80, 500))
TALKS = [talk(0), talk(1), talk(2), talk(0, "logs"), talk(1, "logs")]
FIGURES = ("recall", "low", "high", "n", "difference", "wins", "conversations", "tokens", "mrr")
EVERY_MODE = (
    "none",
    "implicit",
    "implicit-hard",
    "extractive",
    "score",
    "citations",
    "noisy:0.2",
    "permuted",
    "false:0.3",
)


@pytest.fixture(scope="module")
def ready(counter: TiktokenCounter) -> Iterator[Prepared]:
    with prepared(TALKS, PLAN, HashEmbedder(), counter) as found:
        yield found


def _jobs(*modes: str, orders: int = 2) -> list[Job]:
    return [Job(stream, Mode.parse(mode)) for stream in streams_of(TALKS, orders, 0) for mode in modes]


def _row(rows: list[LearningRow], system: str, stream: str, source: str, budget: int) -> LearningRow:
    (found,) = [
        r
        for r in rows
        if (r.system, r.stream, r.source, r.budget, r.position) == (system, stream, source, budget, "all")
    ]
    return found


@pytest.mark.parametrize("learn", ["on", "off"])
def test_without_feedback_it_is_the_memory_of_the_other_benchmark(
    ready: Prepared, counter: TiktokenCounter, learn: Learn
) -> None:
    systems = ("sum_smooth", "rules", "automem_turns")
    plan = replace(PLAN, systems=systems)
    wanted = conversation_rows(run(TALKS, plan, HashEmbedder(), counter), plan)
    setup = replace(ready.setup, learn=learn)
    rows = rows_of(studies_of(live_all(_jobs("none"), setup, HashEmbedder)), ready.fixed, setup)
    for theirs in wanted:
        for stream in (theirs.source, "interleaved"):
            mine = [_row(rows, theirs.system, stream, theirs.source, theirs.budget)]
            if theirs.system == "automem_turns":
                mine.append(_row(rows, Job.system, stream, theirs.source, theirs.budget))
            for row in mine:
                assert [getattr(row, name) for name in FIGURES] == pytest.approx(
                    [getattr(theirs, name) for name in FIGURES], abs=1e-6
                )
    assert {row.changed for row in rows if row.system == Job.system} == {0.0}


def test_the_number_of_processes_does_not_matter(ready: Prepared) -> None:
    jobs = _jobs("citations", "implicit", orders=1)
    steps: list[int] = []
    one, two = (live_all(jobs, ready.setup, HashEmbedder, processes, steps.append) for processes in (1, 2))
    assert [lived.asked for lived in one] == [lived.asked for lived in two]
    assert [lived.job for lived in one] == [lived.job for lived in two]
    assert sum(steps) == 2 * sum(len(lived.asked) for lived in one)


@pytest.mark.parametrize("mode", EVERY_MODE)
def test_the_first_question_knows_nothing_and_each_is_asked_once(ready: Prepared, mode: str) -> None:
    stream = Stream("chats", 3, ("chats-1", "chats-0"))
    lived = live(Job(stream, Mode.parse(mode)), replace(ready.setup, learn="on"), HashEmbedder())
    assert [asked.question for asked in lived.asked] == [f"chats-{n}/q{i}" for n in (1, 0) for i in range(6)]
    assert [asked.at for asked in lived.asked] == list(range(12))
    assert not any(lived.asked[0].changed.values())
    assert all(asked.learned is not None for asked in lived.asked)
    assert len(lived.searches.wall) == 12
    assert len(lived.decisions.wall) >= 12


def test_answers_are_seen_but_not_remembered(ready: Prepared) -> None:
    job = Job(Stream("chats", 0, ("chats-0", "chats-1")), Mode("implicit"))
    lived = live(job, replace(ready.setup, learn="on"), HashEmbedder())
    assert len(lived.updates.wall) == len(lived.decisions.wall) >= 12
    shown = [asked.shown for asked in lived.asked]
    again = live(job, replace(ready.setup, learn="off"), HashEmbedder())
    assert [asked.shown for asked in again.asked[:1]] == shown[:1]
    assert not any(asked.changed[80] for asked in again.asked)  # questions and answers would be found


class Listening(HashEmbedder):
    """Notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def embed(self, texts: Sequence[str]) -> Floats:
        self.heard += texts
        return super().embed(texts)


def test_each_question_is_scored_before_anything_else_is_said_of_it(ready: Prepared) -> None:
    embedder = Listening()
    live(Job(Stream("chats", 0, ("chats-0", "chats-1")), Mode("implicit")), ready.setup, embedder)
    asked = [question.question for number in (0, 1) for question in TALKS[number].scored]
    again = 0
    for question in asked:
        assert [embedder.heard.pop(0), embedder.heard.pop(0)] == [question] * 2  # the search, then the recall
        if embedder.heard and embedder.heard[0].endswith(question):
            embedder.heard.pop(0)
            again += 1
    assert embedder.heard == []
    assert again > 0


def test_citations_arrive_as_feedback_on_the_recall(ready: Prepared) -> None:
    system = memory_on(ready.setup.store, ready.setup, HashEmbedder(), "off")
    try:
        conversation = TALKS[0]
        teaching = teacher(system.memory, Mode("citations"), 500, seed=0)
        before = system.memory.health().feedback
        tokens = [teaching.ask(conversation, question) for question in conversation.scored]
        assert len(set(tokens)) == len(conversation.scored)
        assert system.memory.health().feedback == before + len(tokens)
    finally:
        system.close()


def test_positions_within_a_conversation(counter: TiktokenCounter) -> None:
    base = talk(0)
    many = tuple(base.questions[i % 6].model_copy(update={"id": f"q{i}"}) for i in range(55))
    long = base.model_copy(update={"questions": many})
    stream = Stream("chats", 0, (long.id,))
    with prepared([long], PLAN, HashEmbedder(), counter) as found:
        lived = live_all([Job(stream, Mode("none"))], found.setup, HashEmbedder)
    rows = rows_of(studies_of(lived), found.fixed, found.setup)
    assert {row.position: row.n for row in rows} == {"all": 55, "1-20": 20, "21-50": 30, "51-100": 5}


def test_what_is_frozen_gets_no_feedback_and_is_all_that_counts(ready: Prepared) -> None:
    stream = Stream("chats", 0, ("chats-0",), frozen=("chats-1", "logs-0"))
    lived = live(Job(stream, Mode("citations")), ready.setup, HashEmbedder())
    assert [asked.learned is None for asked in lived.asked] == [False] * 6 + [True] * 12
    assert len(lived.updates.wall) == 6
    rows = rows_of(studies_of([lived], "transfer"), ready.fixed, ready.setup)
    assert {(row.source, row.n, row.protocol) for row in rows} == {("chats", 6, "transfer"), ("logs", 6, "transfer")}


def test_details_add_up_to_the_rows(ready: Prepared) -> None:
    studies = studies_of(live_all(_jobs("none"), ready.setup, HashEmbedder))
    rows = rows_of(studies, ready.fixed, ready.setup)
    details = details_of(studies, ready.fixed, PLAN.budgets)
    for source, conversations in (("chats", 3), ("logs", 2)):
        row = _row(rows, Job.system, source, source, 40)
        mine = [d for d in details if (d.stream, d.source, d.budget) == (source, source, 40)]
        by_conversation = [d for d in mine if d.conversation is not None]
        assert len(by_conversation) == conversations
        assert sum(d.recall * d.n for d in by_conversation) / row.n == pytest.approx(row.recall, abs=1e-6)
        assert [d.difference for d in mine if d.order is not None] == pytest.approx([row.difference] * 2, abs=1e-6)


def test_openings_and_closings_are_counted() -> None:
    asked = Asked(source="s", conversation="c", question="q", at=0, shown={}, changed={})
    ruled = [False, True, True, False, True]
    lived = Lived(Job(Stream("s", 0, ("c",)), Mode("none")), [replace(asked, learned=one) for one in ruled])
    assert changes_of_rule(lived) == (2, 1)
    assert changes_of_rule(replace(lived, asked=[asked])) == (0, 0)
