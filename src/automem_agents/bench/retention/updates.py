"""Questions about facts that changed in given conversations: is the new statement shown, and is the old one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automem_agents.bench.dataset import Conversation, Question
from automem_agents.bench.retention.staleness import ARMS, TOKENS, StaleRow, Tally, fresh_memory, rows_of
from automem_agents.bench.systems import turns_of
from automem_agents.controller import MemoryController
from automem_agents.protocols import Embedder

OLD, NEW = "original_info", "updated_info"


def labelled(conversation: Conversation) -> list[Question]:
    """Return the questions whose evidence says which statement is old and which is new."""
    return [question for question in conversation.scored if {OLD, NEW} <= question.evidence_roles.keys()]


def knowledge_updates(
    conversations: Sequence[Conversation],
    embedder: Embedder,
    arms: Sequence[str] = ("automem", "add_all"),
    seed: int = 0,
    settings: Mapping[str, object] | None = None,
) -> list[StaleRow]:
    """Tell each memory whole conversations, ask, and count; intervals are over conversations.

    A record counts as a statement if it comes from its turn, whatever part of the turn it holds.
    """
    rows: list[StaleRow] = []
    for name in arms:
        tally = Tally()
        with fresh_memory(embedder, {**(settings or {}), **ARMS[name].options}) as memory:
            for conversation in conversations:
                if questions := labelled(conversation):
                    _tell(memory, conversation)
                    _ask(memory, conversation, questions, tally)
        rows += rows_of(tally, name, seed)
    return rows


def _tell(memory: MemoryController, conversation: Conversation) -> None:
    for session, turn in conversation.placed:
        message = {"role": turn.role, "name": turn.speaker, "content": turn.content, "date": session.date}
        memory.observe([message], turn_id=turn.id, session=session.id, user_id=conversation.id)


def _ask(memory: MemoryController, conversation: Conversation, questions: Sequence[Question], tally: Tally) -> None:
    for question in questions:
        recall = memory.recall(question.question, max_tokens=TOKENS, user_id=conversation.id)
        shown = set(turns_of(recall.hits))
        new, old = (bool(shown & set(question.evidence_roles[role])) for role in (NEW, OLD))
        tally.note("current", conversation.id, new)
        tally.note("superseded", conversation.id, old)
