"""One conversation: its transcript, what is recalled into it, and what of it is observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from automem_agents import MemoryController, Outcome, OutcomeKind, Recall
from automem_agents.adapters import ForkSafeLock, SharedMemory
from automem_agents.adapters.safe import safely
from automem_agents.errors import InvalidInput
from automem_agents_llama_index._history import History, Said, open_turn
from automem_agents_llama_index._messages import Tokenizer, cost_of, is_answer, last_question, role_of, to_messages
from automem_agents_llama_index._window import newest_start, newest_that_fit


class Scope(TypedDict):
    """The namespace keywords of the memory's verbs."""

    user_id: str
    agent_id: str | None
    app: str


@dataclass(frozen=True)
class Limits:
    """How much a prompt may have of a conversation.

    Attributes:
        prompt: tokens of all that ``get`` returns.
        recall: tokens of the recalled text; None for the memory's own setting.
        top_k: records in it; None for no limit.
        roles: of the messages that memory is shown.
    """

    prompt: int
    recall: int | None
    top_k: int | None
    roles: tuple[str, ...]


class Conversation:
    """A session of a user; thread-safe.

    Args:
        shared: keeps the memory open.
        scope: whose it is, as the memory's verbs take it.
        session: which conversation.
        limits: see ``Limits``.
        tokenizer: counts tokens of messages.
    """

    def __init__(
        self,
        shared: SharedMemory,
        scope: Scope,
        session: str,
        limits: Limits,
        tokenizer: Tokenizer,
    ) -> None:
        self.shared = shared
        self._limits = limits
        self._tokenizer = tokenizer
        self._trajectory = self.memory.trajectory(run_id=session, session=session, **scope)
        transcript = self.memory.transcript(session, **scope)
        self._history = History(transcript, self.memory.store.settings.strict)
        self._recalled: tuple[str, Recall] | None = None
        self._asked = False  # a recall was made, or a whole history set, for a turn that has not ended
        self._outcomes: list[Outcome] = []
        self._lock = ForkSafeLock()

    @property
    def memory(self) -> MemoryController:
        """The memory it uses."""
        return self.shared.memory

    @property
    def recalled(self) -> Recall | None:
        """What the newest turn recalled."""
        return None if self._recalled is None else self._recalled[1]

    def get(self, question: str | None, taken: int) -> list[ChatMessage]:
        """Return what is recalled, as a system message, and the newest messages, within the limit.

        Args:
            question: what is asked; without one, the newest user message is, as long as it has no answer.
            taken: tokens that the prompt has already.

        Raises:
            InvalidInput: if ``taken`` is more than the limit.
        """
        limit = self._limits.prompt - taken
        if limit < 0:
            raise InvalidInput(f"the prompt has {taken} tokens already; the limit is {self._limits.prompt}")
        with self._lock:
            said = self._history.read()
            messages = [one.message for one in said]
            recall = self._recall(said, question or self._pending(said), limit)
        if recall is None or not recall.text:
            return newest_that_fit(messages, limit, self._tokenizer)
        shown = newest_that_fit(messages, limit - recall.tokens, self._tokenizer)
        turns = {one.turn for one in said[len(said) - len(shown) :]}
        if all(hit.record.turn_id in turns for hit in recall.hits):  # the model reads it all below
            return newest_that_fit(messages, limit, self._tokenizer)
        return [ChatMessage(role=MessageRole.SYSTEM, content=recall.text), *shown]

    def all(self) -> list[ChatMessage]:
        """Return the whole transcript."""
        with self._lock:
            return [one.message for one in self._history.read()]

    def put(self, messages: Sequence[ChatMessage]) -> None:
        """Add messages; a turn is observed when it is answered, and closed as failed when another begins."""
        with self._lock:
            for part in _parts(messages):
                self._put(part)

    def set(self, messages: Sequence[ChatMessage]) -> None:
        """Replace the transcript; what is in the new one was said before, and is not observed again."""
        with self._lock:
            self._close_unanswered(self._history.read())
            self._recalled, self._asked = None, False
            self._history.replace([Said("", message) for message in messages])

    def note(self, outcome: Outcome) -> None:
        """Note what went wrong: it is observed with the turn that is open, else on its own.

        An exception counts only if its turn stays without an answer, and once.
        """
        with self._lock:
            if open_turn(self._history.read()) or self._asked:
                self._outcomes.append(outcome)
            elif outcome.kind is not OutcomeKind.EXCEPTION:
                self._observe(None, [], [outcome])

    def _put(self, messages: Sequence[ChatMessage]) -> None:
        said = self._history.read()
        before = open_turn(said)
        if role_of(messages[0]) == "user":
            if before:
                self._close_unanswered(said)
            self._recalled, before = None, []
        turn = before[-1].turn if before else ""
        turn = turn or f"turn_{uuid4().hex}"
        new = [Said(turn, message) for message in messages]
        self._history.append(new)
        if is_answer(messages[-1]):
            outcomes = [outcome for outcome in self._outcomes if outcome.kind is not OutcomeKind.EXCEPTION]
            self._observe(turn, [*before, *new], outcomes)

    def _close_unanswered(self, said: Sequence[Said]) -> None:
        """Observe a turn that got no answer as failed; the end of a history that nobody asked about is none."""
        turn = open_turn(said)
        exceptions = [outcome for outcome in self._outcomes if outcome.kind is OutcomeKind.EXCEPTION]
        if (turn and turn[-1].turn) or (self._asked and (turn or exceptions)):
            others = [outcome for outcome in self._outcomes if outcome.kind is not OutcomeKind.EXCEPTION]
            failure = next((one for one in exceptions if one.name), Outcome(OutcomeKind.EXCEPTION))
            self._observe(turn[-1].turn if turn else None, turn, [*others, failure])

    def _pending(self, said: Sequence[Said]) -> str:
        """Return the newest question if it has no answer yet; while its turn's recall is known, also after that."""
        if self._recalled is not None or open_turn(said):
            return last_question([one.message for one in said])
        return ""

    def _recall(self, said: Sequence[Said], question: str, limit: int) -> Recall | None:
        """Return what is recalled for a question, the same as long as nobody puts another one."""
        if not question.strip():
            return None
        if self._recalled is not None and self._recalled[0] == question:
            return self._recalled[1]
        messages = [one.message for one in said]
        newest = sum(cost_of(message, self._tokenizer) for message in messages[newest_start(messages) :])
        wanted = self.memory.store.settings.max_tokens if self._limits.recall is None else self._limits.recall
        budget = min(wanted, limit - newest)
        if budget <= 0:
            return None
        recall = safely(self.memory, self._trajectory.recall, question, max_tokens=budget, top_k=self._limits.top_k)
        if recall is not None:
            self._recalled, self._asked = (question, recall), True
        return recall

    def _observe(self, turn: str | None, said: Sequence[Said], outcomes: Sequence[Outcome]) -> None:
        shown = to_messages((one.message for one in said), self._limits.roles)
        self._asked, self._outcomes = False, []
        if shown or outcomes:
            safely(self.memory, self._trajectory.observe, shown, turn_id=turn or None, outcomes=outcomes)


def _parts(messages: Sequence[ChatMessage]) -> Iterator[list[ChatMessage]]:
    """Cut messages where a turn begins or ends; what several users say at once is one question."""
    part: list[ChatMessage] = []
    for message in messages:
        if part and (is_answer(part[-1]) or (role_of(message) == "user" and role_of(part[-1]) != "user")):
            yield part
            part = []
        part.append(message)
    if part:
        yield part
