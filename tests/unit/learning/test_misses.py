"""What was skipped or pruned comes back when it is missed, and only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import select

from automem_agents import Action, MemoryController, Operation
from automem_agents.journal.schema import decisions, signals
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Floats, WriteChoice, WriteProblem
from automem_agents.testing import FakeClock, HashEmbedder

Open = Callable[..., MemoryController]

SECRET = "The spare key hangs behind the blue barrel in the barn"
QUESTION = "Where does the spare key hang?"
AGAIN = "The spare key, where does it hang?"


class Careless(RulesPolicy):
    """Skips what it is told next."""

    careless = False

    def write(self, problem: WriteProblem) -> WriteChoice:
        if self.careless and Action.SKIP in problem.legal:
            return WriteChoice(Action.SKIP, "careless")
        return super().write(problem)


@pytest.fixture
def policy() -> Careless:
    return Careless()


@pytest.fixture
def memory(open_memory: Open, policy: Careless) -> MemoryController:
    """A memory that skipped where the spare key is, and knows of other keys."""
    memory = open_memory(user_id="ada", policy=policy, exploration=0)
    for text in ("The key of the car is on the shelf", "A key was lost in spring", "Bees need water in summer"):
        memory.add(text)
    policy.careless = True
    memory.observe({"role": "user", "content": SECRET})
    memory.observe({"role": "user", "content": "The tractor has a spare wheel"})
    policy.careless = False
    return memory


def texts(memory: MemoryController) -> list[str]:
    return [record.text for record in memory.records()]


def ask(memory: MemoryController, question: str, answer: str) -> str:
    run = memory.trajectory(run_id="talk")
    token = run.recall(question).token
    run.observe([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])
    return token


def skip_of(memory: MemoryController, text: str) -> float | None:
    """Return the reward of the SKIP of a text."""
    with memory.store.journal.read() as connection:
        wrote = select(decisions.c.reward).where(
            decisions.c.operation == Operation.WRITE, decisions.c.action == Action.SKIP
        )
        rewards = list(connection.scalars(wrote.order_by(decisions.c.seq)))
    return rewards[[SECRET, "The tractor has a spare wheel"].index(text)]


def missed_signals(memory: MemoryController) -> int:
    with memory.store.journal.read() as connection:
        return len(list(connection.scalars(select(signals.c.seq).where(signals.c.kind == "missed"))))


def test_a_question_that_is_asked_again_brings_back_what_would_have_answered_it(memory: MemoryController) -> None:
    assert SECRET not in texts(memory)
    ask(memory, QUESTION, "It is on the shelf.")
    assert SECRET not in texts(memory)
    ask(memory, AGAIN, "Maybe on the shelf?")
    assert SECRET in texts(memory)
    assert "tractor" not in " ".join(texts(memory))
    assert "blue barrel" in memory.recall(QUESTION).text
    assert skip_of(memory, SECRET) == -1.0
    assert skip_of(memory, "The tractor has a spare wheel") is None
    assert missed_signals(memory) == 1


def test_bad_feedback_on_a_recall_brings_back_what_would_have_answered_it(memory: MemoryController) -> None:
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "NEGATIVE")
    assert SECRET in texts(memory)


@pytest.mark.parametrize("by_feedback", [True, False])
def test_a_recall_that_showed_nothing_brings_back_what_would_have_answered_it(
    open_memory: Open, policy: Careless, by_feedback: bool
) -> None:
    memory = open_memory(user_id="ada", policy=policy, exploration=0)
    memory.add("Bees need water in summer")
    policy.careless = True
    memory.observe({"role": "user", "content": SECRET})
    policy.careless = False
    token = ask(memory, QUESTION, "I don't know.")
    assert not memory.explain(token).decision.records
    if by_feedback:
        memory.feedback(token, "NEGATIVE")
    else:
        ask(memory, AGAIN, "No idea.")
    assert SECRET in texts(memory)


def test_good_feedback_and_other_questions_bring_nothing_back(memory: MemoryController) -> None:
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "POSITIVE")
    token = ask(memory, "When do bees need water?", "In summer.")
    memory.feedback(token, "NEGATIVE")
    assert SECRET not in texts(memory)
    assert missed_signals(memory) == 0


def test_what_a_user_says_again_after_a_wrong_answer_comes_back(memory: MemoryController) -> None:
    ask(memory, "What do you know of the barn?", "The key of the car is on the shelf of the barn.")
    ask(memory, "No, that's wrong: the spare key hangs behind the blue barrel", "I see.")
    assert SECRET in texts(memory)


def test_what_answers_worse_than_what_was_shown_is_not_missed(memory: MemoryController, policy: Careless) -> None:
    memory.add(SECRET)
    policy.careless = True
    memory.observe(
        {"role": "user", "content": "Somebody will hang a spare coat in the hall tomorrow, with a scarf and a hat"}
    )
    policy.careless = False
    run = memory.trajectory(run_id="talk")
    token = run.recall(QUESTION, top_k=1).token
    run.observe([{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "On the shelf."}])
    memory.feedback(token, "NEGATIVE")
    assert not any("Somebody" in text for text in texts(memory))


def test_what_a_user_forgot_stays_forgotten(memory: MemoryController) -> None:
    record = memory.add("The spare key hangs at the neighbour's door").record_ids[0]
    memory.forget(record)
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "NEGATIVE")
    assert SECRET in texts(memory)
    assert not any("neighbour" in text for text in texts(memory))


def test_a_namespace_never_gets_what_another_skipped(memory: MemoryController) -> None:
    memory.add("The key of the car is on the shelf", user_id="bob")
    run = memory.trajectory(run_id="talk", user_id="bob")
    token = run.recall(QUESTION).token
    run.observe([{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "On the shelf."}])
    memory.feedback(token, "NEGATIVE")
    assert [record.text for record in memory.records(user_id="bob")][:1] == ["The key of the car is on the shelf"]
    assert not any("barrel" in record.text for record in memory.records(user_id="bob"))


def test_what_is_too_old_for_its_kind_stays_gone(open_memory: Open, policy: Careless) -> None:
    clock = FakeClock()
    memory = open_memory(
        user_id="ada", policy=policy, exploration=0, clock=clock, schema={"kinds": {"log": {"retention": 3600}}}
    )
    memory.add("The key of the car is on the shelf", kind="place")
    memory.observe({"role": "user", "content": SECRET})
    clock.advance(7200)
    memory.consolidate()
    assert SECRET not in texts(memory)
    memory.add("The key of the boat is on the shelf")
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "NEGATIVE")
    assert SECRET not in texts(memory)


def test_of_two_that_state_one_fact_one_comes_back(memory: MemoryController, policy: Careless) -> None:
    policy.careless = True
    for place in ("behind the red door", "under the green mat"):
        memory.observe({"role": "user", "content": f"The spare key does hang {place}", "key": "spare key"})
    policy.careless = False
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "NEGATIVE")
    assert len([record for record in memory.records() if record.key == "spare key"]) == 1


@pytest.mark.parametrize("again", [SECRET, "By the way, the spare key hangs behind the blue barrel in the barn!"])
def test_what_was_said_again_and_stored_by_then_stays_aside(memory: MemoryController, again: str) -> None:
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.add(again, speaker="user")
    memory.feedback(token, "NEGATIVE")
    assert len([text for text in texts(memory) if "barrel" in text]) == 1
    assert skip_of(memory, SECRET) == -1.0


def test_of_what_was_skipped_twice_one_comes_back(memory: MemoryController, policy: Careless) -> None:
    policy.careless = True
    memory.observe({"role": "user", "content": SECRET + "!"})
    policy.careless = False
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "NEGATIVE")
    assert len([text for text in texts(memory) if "barrel" in text]) == 1


def test_nobody_waits_for_the_embedder_of_what_is_missed(open_memory: Open, policy: Careless) -> None:
    busy: list[bool] = []

    class Watching(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> Floats:
            if opened:
                busy.append(opened[0].store.journal._writer.locked())
            return super().embed(texts)

    opened: list[MemoryController] = []
    memory = open_memory(user_id="ada", policy=policy, exploration=0, embedder=Watching())
    memory.add("The key of the car is on the shelf")
    policy.careless = True
    skipped = [memory.observe({"role": "user", "content": text}).decisions[0] for text in (SECRET, "Bees need water")]
    policy.careless = False
    opened.append(memory)
    token = ask(memory, QUESTION, "It is on the shelf.")
    memory.feedback(token, "NEGATIVE")
    memory.undo(skipped[1].id)
    assert {SECRET, "Bees need water"} <= set(texts(memory))
    assert busy
    assert not any(busy)
