"""One conversation: its transcript, what is recalled into it, and what of it is observed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from automem_agents import MemoryController, Outcome, OutcomeKind, Recall
from automem_agents.adapters import ForkSafeLock, SharedMemory
from automem_agents.adapters.safe import safely, says_something, usable_name
from automem_agents.errors import InvalidInput
from automem_agents_llama_index._history import AT_FIRST, History, Said, has_open_turn, open_turn, parts
from automem_agents_llama_index._messages import Tokenizer, cost_of, is_answer, last_question, role_of, to_messages
from automem_agents_llama_index._window import fills, newest_start, newest_that_fit

FAILED = "_failed"  # after a turn's id, when it is closed so; its answer may still come


class Scope(TypedDict):
    """The namespace keywords of the memory's verbs."""

    user_id: str
    agent_id: str | None
    app: str


@dataclass(frozen=True)
class Limits:
    """What a prompt may have of a conversation.

    Attributes:
        prompt: tokens of all that ``get`` returns.
        recall: tokens of the recalled text; None for the memory's own setting.
        top_k: records in it; None for no limit.
        roles: of the messages that memory is shown.
        inject: the role of the message that has the recalled text.
    """

    prompt: int
    recall: int | None
    top_k: int | None
    roles: tuple[str, ...]
    inject: MessageRole


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
        self._asked = ""  # what was recalled for and has not ended
        self._reach = AT_FIRST  # messages that the next get is likely to need
        self._outcomes: deque[Outcome] = deque()  # appended to without the lock
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
        """Return what is recalled, as one message, and the newest messages, within the limit.

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
            said = self._history.newest(lambda newest: self._fill(newest, limit), self._reach)
            messages = [one.message for one in said]
            recall = self._recall(said, question or self._pending(said), limit)
        fitting = newest_that_fit(messages, limit, self._tokenizer)
        self._reach = len(fitting) + AT_FIRST
        if recall is None or not recall.text:
            return fitting
        shown = newest_that_fit(messages, limit - recall.tokens, self._tokenizer)
        below = [one.turn for one in said[len(said) - len(shown) :]]
        turns = {*below, *(turn + FAILED for turn in below)}
        if all(hit.record.turn_id in turns for hit in recall.hits):  # the model reads it all below
            return fitting
        return [ChatMessage(role=self._limits.inject, content=recall.text), *shown]

    def all(self) -> list[ChatMessage]:
        """Return the whole transcript."""
        with self._lock:
            return [one.message for one in self._history.all()]

    def put(self, messages: Sequence[ChatMessage]) -> None:
        """Add messages; a turn is observed when it is answered, and closed as failed when another begins."""
        with self._lock:
            for part in parts(messages):
                self._put(part)

    def set(self, messages: Sequence[ChatMessage]) -> None:
        """Replace the transcript; what is in the new one was said before, and is not observed again."""
        with self._lock:
            self._close(self._history.newest(has_open_turn), ended=True)
            self._recalled, self._asked = None, ""
            self._history.replace([Said("", message) for message in messages])

    def note(self, outcome: Outcome) -> None:
        """Note what went wrong, without waiting for anything: it is observed with the turn that is under way."""
        self._outcomes.append(outcome)

    def settle(self, error: Exception | None = None) -> None:
        """Observe what was noted and belongs to no turn any more; with an error, the open turn ends here, as failed."""
        with self._lock:
            said = self._history.newest(has_open_turn)
            if error is None:
                self._close(said)
            else:
                self.note(Outcome(OutcomeKind.EXCEPTION, usable_name(type(error).__name__)))
                self._fail(open_turn(said))

    def finish(self, answer: str) -> None:
        """Put an answer, if the newest turn has none yet."""
        with self._lock:
            if open_turn(self._history.newest(has_open_turn)):
                self.put([ChatMessage(answer, role=MessageRole.ASSISTANT)])

    def _put(self, messages: Sequence[ChatMessage]) -> None:
        said = self._history.newest(has_open_turn)
        before = open_turn(said)
        if role_of(messages[0]) == "user":
            if before or self._asked != last_question(
                messages
            ):  # else an engine asks first, and puts the question then
                self._close(said, ended=True)
            self._recalled, before = None, []
        turn = before[-1].turn if before else ""
        new = [Said(turn or f"turn_{uuid4().hex}", message) for message in messages]
        self._history.append(new)
        if is_answer(messages[-1]):
            self._observe(new[-1].turn, [*before, *new], self._noted(but_exceptions=True))

    def _close(self, said: Sequence[Said], ended: bool = False) -> None:
        """Observe what is left of what came before: a turn without an answer failed, if it has ended."""
        turn = open_turn(said)
        if not turn:
            if self._asked and any(one.kind is OutcomeKind.EXCEPTION for one in self._outcomes):
                self._fail([])
            elif not self._asked:
                self._observe(None, [], self._noted(but_exceptions=True))
        elif ended and (turn[-1].turn or self._asked == last_question([one.message for one in turn])):
            self._fail(turn)

    def _fail(self, turn: Sequence[Said]) -> None:
        noted = self._noted()
        exceptions = [outcome for outcome in noted if outcome.kind is OutcomeKind.EXCEPTION]
        failure = next((one for one in exceptions if one.name), Outcome(OutcomeKind.EXCEPTION))
        others = [outcome for outcome in noted if outcome.kind is not OutcomeKind.EXCEPTION]
        closed = turn[-1].turn + FAILED if turn and turn[-1].turn else None
        self._observe(closed, turn, [*others, failure])

    def _noted(self, but_exceptions: bool = False) -> list[Outcome]:
        """Take what was noted; an exception that was got over is none."""
        noted = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
        return [one for one in noted if not (but_exceptions and one.kind is OutcomeKind.EXCEPTION)]

    def _fill(self, newest: Sequence[Said], limit: int) -> bool:
        return fills([one.message for one in newest], limit, self._tokenizer)

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
        if not open_turn(said):
            self._close(said)
        messages = [one.message for one in said]
        newest = sum(cost_of(message, self._tokenizer) for message in messages[newest_start(messages) :])
        wanted = self.memory.store.settings.max_tokens if self._limits.recall is None else self._limits.recall
        budget = min(wanted, limit - newest)
        if budget <= 0:
            return None
        recall = safely(self.memory, self._trajectory.recall, question, max_tokens=budget, top_k=self._limits.top_k)
        if recall is not None:
            self._recalled, self._asked = (question, recall), question
        return recall

    def _observe(self, turn: str | None, said: Sequence[Said], outcomes: Sequence[Outcome]) -> None:
        shown = to_messages((one.message for one in said), self._limits.roles)
        self._asked = ""
        if says_something(shown) or outcomes:
            safely(self.memory, self._trajectory.observe, shown, turn_id=turn, outcomes=outcomes)
