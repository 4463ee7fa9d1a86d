"""The loader: what it reads, what counts, and how it says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from automem_agents.bench.dataset import Conversation, load
from automem_agents.errors import InvalidInput

from .conftest import Raw, Write, chat, log


def test_reads_turns_in_order_with_session_and_caption(write: Write) -> None:
    (talk,) = load([write(chat())])
    assert [turn.id for turn in talk.turns] == ["t1", "t2", "t3", "t4", "t5", "t6"]
    assert [session.id for session, _ in talk.placed] == ["S1"] * 4 + ["S2"] * 2
    assert talk.rendered[3] == "Mira (3 March 2024): Look at this. [image: a grey kitten on a sofa]"


def test_scores_questions_with_evidence_and_category_5_only_outside_locomo(write: Write) -> None:
    talks = load([write(chat(), log())])
    assert {talk.id: [q.id[-1] for q in talk.scored] for talk in talks} == {
        "chat-1": ["0", "1", "2"],
        "log-1": ["0", "1", "2"],
    }


def test_limit_counts_by_source_and_order_is_by_source_and_id(write: Write) -> None:
    first = write(chat(3), chat(1), log(2), name="a.jsonl")
    second = write(log(1), chat(2), name="b.jsonl")
    assert [talk.id for talk in load([first, second])] == ["log-1", "log-2", "chat-1", "chat-2", "chat-3"]
    assert [talk.id for talk in load([first, second], limit=1)] == ["log-2", "chat-3"]


def test_other_fields_are_passed_over(write: Write) -> None:
    raw = chat()
    raw["questions"][0] |= {"answer": None, "rubric": ["x"], "evidence_corrected": ["t1"]}
    assert load([write(raw)])[0].questions[0].evidence == ("t1",)


def _without_speaker(raw: Raw) -> None:
    del raw["sessions"][0]["turns"][1]["speaker"]


def _repeated_turn(raw: Raw) -> None:
    raw["sessions"][1]["turns"][0]["id"] = "t1"


def _unknown_evidence(raw: Raw) -> None:
    raw["questions"][0]["evidence"] = ["t1", "t99"]


def _unknown_role(raw: Raw) -> None:
    raw["sessions"][0]["turns"][0]["role"] = "narrator"


def _evidence_as_text(raw: Raw) -> None:
    raw["questions"][0]["evidence"] = "t1"


def _no_questions(raw: Raw) -> None:
    del raw["questions"]


def _number_as_text(raw: Raw) -> None:
    raw["sessions"][0]["turns"][0]["text"] = 7


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_speaker, r"talks.jsonl, line 2: not a conversation: sessions.0.turns.1.speaker: Field required"),
        (_repeated_turn, r"line 2: not a conversation: the turn id 't1' is used twice"),
        (_unknown_evidence, r"line 2: .*question 'chat-1/q0' names the turn 't99', which isn't there"),
        (_unknown_role, r"line 2: .*sessions.0.turns.0.role: Input should be 'user' or 'assistant'"),
        (_evidence_as_text, r"line 2: .*questions.0.evidence: "),
        (_no_questions, r"line 2: .*questions: Field required"),
        (_number_as_text, r"line 2: .*sessions.0.turns.0.text: Input should be a valid string"),
    ],
)
def test_names_file_line_and_what_is_wrong(write: Write, spoil: Callable[[Raw], None], message: str) -> None:
    raw = chat()
    spoil(raw)
    with pytest.raises(InvalidInput, match=message):
        load([write(log(), raw)])


def test_refuses_what_is_there_twice(write: Write) -> None:
    with pytest.raises(InvalidInput, match="line 2: the conversation 'chat-1' was there before"):
        load([write(chat(), chat())])
    other = chat() | {"id": "another"}
    with pytest.raises(InvalidInput, match=r"line 2: the question id 'chat-1/q0' was used in .*line 1"):
        load([write(chat(), other)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{not json}\n", "line 1: not JSON"),
        ("[1, 2]\n", "line 1: an object was expected, not list"),
        ("", "no question with evidence in"),
        (b"\xff\xfe\x00", "can't read"),
    ],
)
def test_refuses_files_that_are_something_else(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput, match=message):
        load([path])


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"can't read .*nowhere\.jsonl"):
        load([tmp_path / "nowhere.jsonl"])


def test_refuses_conversations_without_evidence(write: Write) -> None:
    raw = chat()
    raw["questions"] = raw["questions"][3:]
    with pytest.raises(InvalidInput, match="no question with evidence"):
        load([write(raw)])


def test_is_frozen() -> None:
    talk = Conversation.model_validate(chat())
    with pytest.raises(ValueError, match="frozen"):
        talk.id = "other"  # type: ignore[misc]
