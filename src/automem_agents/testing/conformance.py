"""The suite that every adapter has to pass: derive from ``AdapterConformance``, say how a turn is driven, run pytest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from unittest import SkipTest

from automem_agents import Decision, MemoryController, Operation
from automem_agents.testing.fakes import FailingEmbedder, HashEmbedder

FACT = "The spare key of the boathouse hangs behind the blue barometer"
QUESTION = "Where is the spare key of the boathouse?"
ANSWER = "It hangs behind the blue barometer."
ASKED_AGAIN = "The spare key of the boathouse, where is it?"
THANKS = "Thank you. When does the ferry leave?"
OTHERS = tuple(
    f"The {thing} of the {place} is {state}"
    for thing in ("roof", "lamp", "spare key")
    for place in ("chapel", "mill", "harbour", "school", "museum")
    for state in ("old", "painted green")
)


@dataclass(frozen=True)
class ScriptedTurn:
    """What happens in one turn of an agent.

    Attributes:
        said: by the user.
        answer: of the model, after its tool calls.
        tool_calls: how often the model calls a tool before it answers; one that knows no tools passes over it.
        tool_fails: whether those fail in a way that the agent survives.
        model_fails: whether the model raises instead of answering, so that the run dies.
    """

    said: str
    answer: str = "Noted."
    tool_calls: int = 0
    tool_fails: bool = False
    model_fails: bool = False


@dataclass(frozen=True)
class Driven:
    """What could be seen of a turn from outside.

    Attributes:
        requests: all text that the model was shown, one item a call.
        answer: what the user got; ``""`` where the run died.
    """

    requests: tuple[str, ...]
    answer: str = ""

    @property
    def shown(self) -> str:
        """All that the model was shown in the turn."""
        return "\n".join(self.requests)


class Driver(Protocol):
    """An agent with one adapter object in it, for any number of users and threads."""

    def run(self, user_id: str, thread_id: str, turn: ScriptedTurn) -> Driven:
        """Take one turn, and close it: what a run that died leaves open is closed when this returns."""
        ...


class AdapterConformance:
    """Tests of what an adapter promises; pytest collects a class that derives from it.

    Attributes:
        has_tools: whether agents of the framework call tools.
        sees_tool_failures: whether the framework says that a tool failed.

    Examples:
        A class in a test file::

            class TestMyAdapter(AdapterConformance):
                def driver(self, memory):
                    return MyAgent(memory)
    """

    has_tools = True
    sees_tool_failures = True

    def driver(self, memory: MemoryController) -> Driver:
        """Return an agent that uses ``memory`` through the adapter."""
        raise NotImplementedError

    def test_what_was_said_is_recalled_before_the_model_is_called(self) -> None:
        """Memory of one thread serves the next one."""
        with emptied() as memory:
            agent = self.driver(memory)
            agent.run("ada", "t1", ScriptedTurn("I am allergic to cashews"))
            seen = agent.run("ada", "t2", ScriptedTurn("Which nuts am I allergic to?"))
            assert "I am allergic to cashews" in seen.requests[0]
            assert seen.answer == "Noted."

    def test_nothing_is_added_where_nothing_is_recalled(self) -> None:
        """An empty memory leaves no frame in the prompt."""
        with emptied() as memory:
            seen = self.driver(memory).run("ada", "t1", ScriptedTurn("Good morning"))
            assert "<memory" not in seen.shown
            assert memory.decisions(user_id="ada", operation="READ")

    def test_a_turn_is_observed_once(self) -> None:
        """The user's message and the answer are stored, each once, under the thread they belong to."""
        with emptied() as memory:
            agent = self.driver(memory)
            agent.run("ada", "t1", ScriptedTurn("I live in Porto", answer="Porto is lovely in spring."))
            stored = sorted((r.role, r.text) for r in memory.records(user_id="ada"))
            assert stored == [("assistant", "Porto is lovely in spring."), ("user", "I live in Porto")]
            assert {r.session for r in memory.records(user_id="ada")} == {"t1"}

    def test_one_recall_a_turn(self) -> None:
        """However many rounds of tools there are."""
        if not self.has_tools:
            raise SkipTest("the framework knows no tools")
        with emptied() as memory:
            agent = self.driver(memory)
            agent.run("ada", "t1", ScriptedTurn("I am allergic to cashews"))
            before = len(_reads(memory, "ada"))
            seen = agent.run("ada", "t1", ScriptedTurn("What am I allergic to?", tool_calls=3))
            assert len(seen.requests) > 3
            assert all("I am allergic to cashews" in request for request in seen.requests)
            assert len(_reads(memory, "ada")) == before + 1

    def test_what_was_injected_is_not_stored_again(self) -> None:
        """Recalled text never comes back as something that was said."""
        with emptied() as memory:
            agent = self.driver(memory)
            agent.run("ada", "t1", ScriptedTurn("I am allergic to cashews"))
            for number in range(3):
                agent.run(
                    "ada", f"t{number}", ScriptedTurn(f"Question {number}: which allergies?", answer=f"See {number}")
                )
            texts = [record.text for record in memory.records(user_id="ada")]
            assert not [text for text in texts if "<memory" in text or "[m1]" in text]
            assert texts.count("I am allergic to cashews") == 1

    def test_users_are_apart(self) -> None:
        """One adapter object serves many users, also with the same thread."""
        with emptied() as memory:
            agent = self.driver(memory)
            agent.run("ada", "t1", ScriptedTurn("My canary is called Zanzibar"))
            agent.run("bob", "t2", ScriptedTurn("My canary is called Pompeii"))
            for user, other in (("ada", "Pompeii"), ("bob", "Zanzibar")):
                seen = agent.run(user, f"of-{user}", ScriptedTurn("What is my canary called?"))
                assert other not in seen.shown
                assert all(other not in record.text for record in memory.records(user_id=user))

    def test_a_run_that_died_is_noted_and_its_answer_is_not(self) -> None:
        """Its turn is closed as failed, once, and the next turn goes on as if nothing had been."""
        with emptied() as memory:
            agent = self.driver(memory)
            died = agent.run("ada", "t1", ScriptedTurn("I live in Porto", answer="I said this", model_fails=True))
            assert died.answer == ""
            assert memory.health().signals.get("exception") == 1
            assert "I said this" not in [record.text for record in memory.records(user_id="ada")]
            assert agent.run("ada", "t1", ScriptedTurn("Are you there?")).answer == "Noted."
            assert memory.health().signals.get("exception") == 1

    def test_a_tool_that_fails_is_noted(self) -> None:
        """With its turn, once for each failure."""
        if not (self.has_tools and self.sees_tool_failures):
            raise SkipTest("the framework says nothing of tools that fail")
        with emptied() as memory:
            turn = ScriptedTurn("Where is my parcel?", tool_calls=1, tool_fails=True)
            assert self.driver(memory).run("ada", "t1", turn).answer == "Noted."
            assert memory.health().signals == {"tool_error": 1}

    def test_a_run_teaches(self) -> None:
        """What an answer used of a recall earns a reward when the next turn is there, without a word of feedback."""
        with emptied() as memory:
            agent = self._informed(memory)
            agent.run("ada", "t1", ScriptedTurn(QUESTION, answer=ANSWER))
            agent.run("ada", "t1", ScriptedTurn(THANKS))
            assert memory.health().signals == {"used": 1}
            assert _reads(memory, "ada")[-1].reward == 1.0

    def test_a_question_that_is_asked_again_teaches(self) -> None:
        """All turns of a thread are one run: what the user says next counts for the answer before it."""
        with emptied() as memory:
            agent = self._informed(memory)
            agent.run("ada", "t1", ScriptedTurn(QUESTION, answer=ANSWER))
            agent.run("ada", "t1", ScriptedTurn(ASKED_AGAIN))
            agent.run("ada", "t2", ScriptedTurn(QUESTION))  # of another conversation
            assert memory.health().signals == {"used": 1, "re_asked": 1}
            assert (_reads(memory, "ada")[-1].reward or 0.0) < 0

    def test_a_tool_that_fails_takes_from_what_is_taught(self) -> None:
        """Half of it."""
        if not (self.has_tools and self.sees_tool_failures):
            raise SkipTest("the framework says nothing of tools that fail")
        with emptied() as memory:
            agent = self._informed(memory)
            agent.run("ada", "t1", ScriptedTurn(QUESTION, answer=ANSWER, tool_calls=1, tool_fails=True))
            agent.run("ada", "t1", ScriptedTurn(THANKS))
            assert memory.health().signals == {"used": 1, "tool_error": 1}
            assert _reads(memory, "ada")[-1].reward == 0.5

    def _informed(self, memory: MemoryController) -> Driver:
        """Return an agent of whose user enough is known that a few words tell where an answer comes from."""
        for fact in (FACT, *OTHERS):
            memory.add(fact, user_id="ada")
        return self.driver(memory)

    def test_memory_that_fails_changes_nothing(self) -> None:
        """The turn goes on without it, and the failure is counted."""
        with emptied(FailingEmbedder()) as memory:
            agent = self.driver(memory)
            seen = agent.run("ada", "t1", ScriptedTurn("I live in Porto"))
            assert seen.answer == "Noted."
            assert "<memory" not in seen.shown
            assert memory.health().failures

    def test_memory_that_is_closed_changes_nothing(self) -> None:
        """Also for a run that goes on while somebody closes the store."""
        with emptied() as memory:
            agent = self.driver(memory)
            agent.run("ada", "t1", ScriptedTurn("I live in Porto"))
            memory.close()
            assert agent.run("ada", "t1", ScriptedTurn("Where do I live?")).answer == "Noted."


@contextmanager
def emptied(embedder: HashEmbedder | None = None) -> Iterator[MemoryController]:
    """Open an empty memory that fails open, as a user's does, with deadlines that a busy machine keeps."""
    with TemporaryDirectory() as folder:
        path, chosen = Path(folder) / "memory", embedder or HashEmbedder()
        with MemoryController.open(path, embedder=chosen, recall_deadline=30.0, observe_deadline=30.0) as memory:
            yield memory


def _reads(memory: MemoryController, user_id: str) -> list[Decision]:
    return memory.decisions(user_id=user_id, operation=Operation.READ, limit=1000)
