"""``demo --data``: the same on a conversation of a file, with questions whose evidence is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.table import Table
from rich.text import Text

from automem_agents.cli.output import Bar, heading, out, printable, progress, table
from automem_agents.cli.views import explanation_view, recall_view, short
from automem_agents.errors import InvalidInput
from automem_agents.operations.messages import Turn
from automem_agents.operations.transfer import json_lines, turns_of
from automem_agents.types import Decision

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController

_QUESTIONS = 3


class Question(BaseModel):
    """A question, its answer, and the ids of the turns that hold it."""

    model_config = ConfigDict(extra="ignore")

    question: str
    answer: str | None = None
    evidence: tuple[str, ...] = ()


class Conversation(BaseModel):
    """What is read of a line beside its turns."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str
    questions: list[Question] = Field(default_factory=list)


def show_conversation(memory: MemoryController, path: Path, limit: int | None, max_tokens: int) -> None:
    """Ingest the first conversation of a file and ask its first questions that have evidence.

    Raises:
        InvalidInput: if there is no conversation in it.
    """
    conversation, turns = _first(path)
    turns = turns[:limit]
    heading(f"1. What is kept of {len(turns)} turns of {conversation.id}")
    with progress("observing", len(turns)) as step:
        out.print(_counts(_observe(memory, turns, step)))
    heading(f"2. What is recalled within {max_tokens} tokens")
    texts = {turn.turn_id: turn.messages[0] for turn in turns}
    asked = [q for q in conversation.questions if q.evidence and set(_ids(conversation, q)) <= texts.keys()]
    if not asked:
        out.print("No question has its evidence in these turns.")
    stored = Counter(record.turn_id for record in memory.records(limit=None))
    for question in asked[:_QUESTIONS]:
        recall = memory.recall(question.question, max_tokens=max_tokens)
        out.print(recall_view(recall, question.question, max_tokens))
        lines = {i: f"{texts[i].speaker}: {texts[i].text}" for i in _ids(conversation, question)}
        out.print(_evidence(question, lines, stored, Counter(record.turn_id for record in recall.records)))
    if asked:
        heading("3. Why: the features that moved the last recall")
        out.print(explanation_view(memory.explain(recall.token)))


def _first(path: Path) -> tuple[Conversation, list[Turn]]:
    for number, value in json_lines(path):
        where = f"{path}, line {number}"
        if "sessions" in value:
            return _checked(value, where), list(turns_of(value, where))
    raise InvalidInput(f"{path} holds no conversation: no line has sessions")


def _checked(value: Mapping[str, Any], where: str) -> Conversation:
    try:
        return Conversation.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _ids(conversation: Conversation, question: Question) -> list[str]:
    return [f"{conversation.id}/{turn}" for turn in question.evidence]


def _observe(memory: MemoryController, turns: Sequence[Turn], step: Bar) -> list[Decision]:
    made: list[Decision] = []
    for turn in turns:
        receipt = memory.observe(turn.messages, turn_id=turn.turn_id, run_id=turn.run_id, session=turn.session)
        made += receipt.decisions
        step()
    return made


def _counts(decisions: Sequence[Decision]) -> Table:
    counts = Counter((str(decision.action), decision.reason) for decision in decisions)
    rows = ((action, reason, count) for (action, reason), count in sorted(counts.items()))
    return table(("!decision", "reason", ">pieces"), rows)


def _evidence(
    question: Question, lines: Mapping[str, str], stored: Counter[str | None], shown: Counter[str | None]
) -> Table:
    rows = ((_found(stored[i], shown[i]), i.partition("/")[2], short(text)) for i, text in lines.items())
    title = f"answer: {printable(question.answer)}" if question.answer else None
    return table(("!evidence", "!turn", "text"), rows, title=title)


def _found(stored: int, shown: int) -> Text:
    """Say how many of the pieces of a turn are in the recall."""
    if not stored:
        return Text("not kept", style="red")
    if not shown:
        return Text("not in it", style="yellow")
    return Text("in it" if shown == stored else f"{shown} of {stored} pieces", style="green")
