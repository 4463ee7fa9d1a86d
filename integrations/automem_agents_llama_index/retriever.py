"""A retriever over a memory, for query engines."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from automem_agents import Hit, MemoryController, Recall
from automem_agents.adapters.safe import checked_least, checked_memory, safely
from automem_agents_llama_index._whose import trajectory_of

UNBOUNDED = 1_000_000  # tokens


class AutoMemRetriever(BaseRetriever):
    """Returns what a memory recalls for a question, as nodes; none where nothing has to do with it.

    Each node's metadata has ``date``, ``speaker`` and ``ref`` of the record, the record's own metadata, and ``token``:
    the decision's, for ``memory.feedback``. Only the speaker and the date are shown to models. A memory that fails
    returns no nodes.

    Args:
        memory: an open memory; it stays the caller's to close.
        similarity_top_k: at most so many nodes.
        max_tokens: of all nodes together; None for no limit.
        user_id, agent_id, app: whose memory; default is the memory's own.
        session_id: of the ``AutoMemMemory`` or the ``Memory`` that observes the conversation: by it, memory learns
            which nodes were of use.
        options: of LlamaIndex's ``BaseRetriever``.

    Raises:
        InvalidInput: if an argument is wrong.
        ScopeRequired: if nobody says whose memory it is.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> _ = memory.add("I am allergic to peanuts")
        >>> AutoMemRetriever(memory).retrieve("Which allergies?")[0].text
        'I am allergic to peanuts'
        >>> memory.close()
    """

    def __init__(
        self,
        memory: MemoryController,
        *,
        similarity_top_k: int = 4,
        max_tokens: int | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        session_id: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._memory = checked_memory(memory)
        self._top_k = checked_least("similarity_top_k", similarity_top_k, 1)
        self._max_tokens = UNBOUNDED if max_tokens is None else checked_least("max_tokens", max_tokens, 0)
        self._asked = partial(trajectory_of, memory, user_id, agent_id, app, session_id)
        self._asked()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        question = query_bundle.query_str
        if not question.strip():
            return []
        verb = self._asked().recall
        recall = safely(self._memory, verb, question, max_tokens=self._max_tokens, top_k=self._top_k)
        return [] if recall is None else [_node(hit, recall) for hit in recall.hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(hit: Hit, recall: Recall) -> NodeWithScore:
    record = hit.record
    shown = {
        "date": record.date_text or (record.occurred_at or record.recorded_at).isoformat(),
        "speaker": record.speaker,
    }
    others = {**record.metadata, "ref": hit.ref, "token": recall.token}
    hidden = [name for name in others if name not in shown]
    node = TextNode(
        id_=record.id,
        text=record.text,
        metadata={**others, **shown},
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
    )
    return NodeWithScore(node=node, score=hit.score)
