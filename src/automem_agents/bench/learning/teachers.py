"""What happens after a question: the memory is asked, its recall is used, and something comes back to it, or nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random

from automem_agents.bench.dataset import Conversation, Question
from automem_agents.bench.learning.agents import AGENTS, Rarity, Task
from automem_agents.bench.learning.dice import dice
from automem_agents.bench.learning.labels import Judge, Slate
from automem_agents.bench.learning.modes import Mode
from automem_agents.bench.learning.users import User
from automem_agents.bench.measure import Stopwatch
from automem_agents.controller import MemoryController
from automem_agents.text.render import record_text
from automem_agents.trajectory import Trajectory
from automem_agents.types import MemoryRecord, Recall


class Teacher(ABC):
    """Asks a memory, and tells it what its mode tells. A conversation is one run of the agent.

    Between two questions of a user there are seconds, in which a memory learns beside the agent; here, it is waited for.

    Args:
        memory: the memory under test.
        mode: what it is told.
        budget: tokens of a recall.
        seed: of all draws.

    Attributes:
        decisions, updates: how long recalls took, and how long it took to take in feedback or an answered turn.
        waits: how long was waited for what is learned in the background.
    """

    def __init__(self, memory: MemoryController, mode: Mode, budget: int, seed: int) -> None:
        self.memory = memory
        self.mode = mode
        self.decisions = Stopwatch()
        self.updates = Stopwatch()
        self.waits = Stopwatch()
        self._budget = budget
        self._seed = seed
        self._run: Trajectory | None = None

    def ask(self, conversation: Conversation, question: Question) -> str:
        """Ask a question and give feedback on what was recalled; return the token of the recall."""
        if self._run is None or self._run.run_id != conversation.id:
            self._run = self.memory.trajectory(user_id=conversation.id, run_id=conversation.id)
        recall = self._recalled(self._run, question.question)
        self._teach(self._run, conversation, question, recall)
        return recall.token

    def _recalled(self, run: Trajectory, text: str) -> Recall:
        with self.decisions.timing():
            return run.recall(text, max_tokens=self._budget)

    def _wait(self) -> None:
        with self.waits.timing():
            self.memory.flush()

    def _luck(self, question: Question, attempt: int = 0) -> Random:
        return dice(self._seed, self.mode.name, question.id, attempt)

    @abstractmethod
    def _teach(self, run: Trajectory, conversation: Conversation, question: Question, recall: Recall) -> None: ...


class Judging(Teacher):
    """Gives feedback explicitly, or none; nothing of what an agent would say is seen."""

    def __init__(self, memory: MemoryController, mode: Mode, budget: int, seed: int) -> None:
        super().__init__(memory, mode, budget, seed)
        self._judge = Judge(mode)

    def _teach(self, run: Trajectory, conversation: Conversation, question: Question, recall: Recall) -> None:
        gold = set(question.evidence)
        turns = [record.turn_id for record in recall.records]
        slate = Slate(
            gold=[turn in gold for turn in turns],
            tokens=[record.tokens for record in recall.records],
            complete=gold.issubset(turns),
        )
        verdict = self._judge.verdict(slate, self._luck(question))
        if verdict is not None:
            cited = [recall.records[i].id for i in verdict.cited]
            with self.updates.timing():
                self.memory.feedback(recall.token, verdict.score, cited=cited)
            self._wait()


class Talking(Teacher):
    """A simulated agent answers and a simulated user goes on or asks again; the memory sees the texts of both."""

    def __init__(self, memory: MemoryController, mode: Mode, budget: int, seed: int) -> None:
        super().__init__(memory, mode, budget, seed)
        self._agent = AGENTS[mode.kind]()
        self._user = User()
        self._rarities: dict[str, Rarity] = {}

    def _teach(self, run: Trajectory, conversation: Conversation, question: Question, recall: Recall) -> None:
        if conversation.id not in self._rarities:
            self._rarities[conversation.id] = Rarity(conversation.rendered)
        rarity = self._rarities[conversation.id]

        def answered(message: str, recall: Recall, attempt: int) -> bool:
            gold = "" if question.answer is None else str(question.answer)
            task = Task(question.question, gold, [_rendered(record) for record in recall.records], rarity)
            reply = self._agent.answer(task, self._luck(question, attempt))
            said = [{"role": "user", "content": message}, {"role": "assistant", "content": reply.text}]
            with self.updates.timing():
                run.observe(said, remember=False)
            self._wait()
            return reply.right

        right = answered(question.question, recall, 0)
        message = self._user.again(question.question, right, self._luck(question, 1))
        if message is not None:
            answered(message, self._recalled(run, message), 2)


def teacher(memory: MemoryController, mode: Mode, budget: int, seed: int) -> Teacher:
    """Return what gives the feedback of a mode."""
    return (Talking if mode.kind in AGENTS else Judging)(memory, mode, budget, seed)


def _rendered(record: MemoryRecord) -> str:
    return record_text(record.speaker, record.date_text or "", record.text)
