"""Conversations with questions and the turns that answer them, read from JSON lines and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from automem_agents.errors import InvalidInput
from automem_agents.operations.transfer import json_lines
from automem_agents.text.render import record_text


class Said(BaseModel):
    """One turn of a conversation; ``caption`` describes a picture that was shared."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1)
    speaker: str = Field(min_length=1)
    text: str
    role: Literal["user", "assistant"] = "user"
    caption: str = ""

    @property
    def content(self) -> str:
        """What is remembered of it: the text, and the caption in brackets."""
        return f"{self.text} [image: {self.caption}]" if self.caption else self.text


class Session(BaseModel):
    """Turns that were said on one date; neighbours are turns of one session."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1)
    date: str
    turns: tuple[Said, ...]


class Question(BaseModel):
    """A question and the ids of the turns that answer it; without evidence it isn't scored.

    Attributes:
        answer: what a simulated agent says when it knows; scoring doesn't look at it.
        evidence_roles: where the source says it, which evidence is the old and which the new statement of a fact.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answer: str | int | float | None = None
    category: int | str = ""
    evidence: tuple[str, ...] = ()
    evidence_roles: Mapping[str, Any] = Field(default_factory=dict)


class Conversation(BaseModel):
    """A conversation, sessions and turns in order of time; all its questions are asked after its end.

    Examples:
        >>> said = {"id": "t1", "speaker": "Ada", "text": "I moved to Rome"}
        >>> asked = {"id": "q1", "question": "Where does Ada live?", "evidence": ["t1"]}
        >>> talk = Conversation(id="c", source="mine", sessions=[{"id": "s", "date": "8 May", "turns": [said]}], questions=[asked])
        >>> talk.rendered
        ('Ada (8 May): I moved to Rome',)
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...]

    @model_validator(mode="after")
    def _ids_resolve(self) -> Self:
        ids = [turn.id for turn in self.turns]
        known = set(ids)
        if len(known) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise ValueError(f"the turn id {twice!r} is used twice")
        for question in self.questions:
            unknown = [i for i in question.evidence if i not in known]
            if unknown:
                raise ValueError(f"question {question.id!r} names the turn {unknown[0]!r}, which isn't there")
        return self

    @cached_property
    def placed(self) -> tuple[tuple[Session, Said], ...]:
        """Every turn with its session, in order."""
        return tuple((session, turn) for session in self.sessions for turn in session.turns)

    @property
    def turns(self) -> tuple[Said, ...]:
        """Every turn, in order."""
        return tuple(turn for _, turn in self.placed)

    @cached_property
    def rendered(self) -> tuple[str, ...]:
        """Every turn as it is indexed and paid for: ``speaker (date): text [image: caption]``."""
        return tuple(record_text(turn.speaker, session.date, turn.content) for session, turn in self.placed)

    @cached_property
    def scored(self) -> tuple[Question, ...]:
        """The questions that count: those with evidence, and on LoCoMo none of the adversarial category 5."""
        adversarial = 5 if self.source == "locomo" else None
        return tuple(q for q in self.questions if q.evidence and q.category != adversarial)


def load(paths: Sequence[Path], limit: int | None = None) -> list[Conversation]:
    """Read conversations, by source and id.

    Args:
        limit: at most so many of each source, the first of the files.

    Raises:
        InvalidInput: naming the file, the line and what is wrong with it.
    """
    found: dict[str, Conversation] = {}
    questions: dict[str, str] = {}
    for path in paths:
        for where, conversation in _read(path):
            if conversation.id in found:
                raise InvalidInput(f"{where}: the conversation {conversation.id!r} was there before")
            found[conversation.id] = conversation
            for question in conversation.questions:
                if question.id in questions:
                    raise InvalidInput(f"{where}: the question id {question.id!r} was used in {questions[question.id]}")
                questions[question.id] = where
    kept = _first(found.values(), limit)
    if not any(conversation.scored for conversation in kept):
        raise InvalidInput(f"no question with evidence in {', '.join(map(str, paths)) or 'no file'}")
    return sorted((c for c in kept if c.scored), key=lambda c: (c.source, c.id))


def _read(path: Path) -> Iterator[tuple[str, Conversation]]:
    for number, value in json_lines(path):
        where = f"{path}, line {number}"
        try:
            yield where, Conversation.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            message = first["msg"].removeprefix("Value error, ")
            raise InvalidInput(f"{where}: not a conversation: {name + ': ' if name else ''}{message}") from None


def _first(conversations: Iterable[Conversation], limit: int | None) -> list[Conversation]:
    kept: dict[str, list[Conversation]] = {}
    for conversation in conversations:
        mine = kept.setdefault(conversation.source, [])
        if limit is None or len(mine) < limit:
            mine.append(conversation)
    return [conversation for mine in kept.values() for conversation in mine]
