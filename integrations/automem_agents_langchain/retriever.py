"""A retriever over a memory, for chains that are built around one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import PrivateAttr, ValidationError

from automem_agents import Hit, MemoryController, Recall
from automem_agents.adapters import Run, Whose
from automem_agents.adapters.safe import checked_least
from automem_agents.errors import InvalidInput
from automem_agents_langchain._part import Part
from automem_agents_langchain._run import current_run

UNBOUNDED = 1_000_000  # tokens


class AutoMemRetriever(BaseRetriever):
    """Returns what a memory recalls for a question, as documents; none where nothing has to do with it.

    Each document's metadata has ``id``, ``score``, ``date``, ``speaker`` and ``ref`` of the record, the record's own
    metadata, and ``token``: the decision's, for ``memory.feedback``. A memory that fails returns no documents.

    Args:
        memory: an open memory; it stays the caller's to close.
        k: at most so many documents; ``invoke(question, k=...)`` overrides it.
        max_tokens: of all documents together; None for no limit.
        user_id, agent_id, app: whose memory: names, or templates that the run fills. Without ``user_id`` the run's,
            else the memory's default.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> _ = memory.add("I am allergic to peanuts")
        >>> AutoMemRetriever(memory).invoke("Which allergies?")[0].page_content
        'I am allergic to peanuts'
        >>> memory.close()
    """

    memory: MemoryController
    k: int = 4
    max_tokens: int | None = None
    user_id: str | None = None
    agent_id: str | None = None
    app: str | None = None
    _part: Part = PrivateAttr()

    def __init__(self, memory: MemoryController, **options: Any) -> None:
        try:
            super().__init__(**{**options, "memory": memory})
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        checked_least("k", self.k, 1)
        whole = UNBOUNDED if self.max_tokens is None else self.max_tokens
        self._part = Part.checked(memory, Whose(self.user_id, self.agent_id, self.app), whole, self.k)

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """Return documents for a question.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        return super().invoke(input, config, run=current_run(config), **kwargs)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """As ``invoke``, without blocking the event loop."""
        return await super().ainvoke(input, config, run=current_run(config), **kwargs)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun | None = None,
        run: Run | None = None,
        k: int | None = None,
    ) -> list[Document]:
        checked_least("k", k, 1)
        part = self._part if k is None else replace(self._part, top_k=k)
        recall = part.recall(part.trajectory(run), query)
        return [] if recall is None else [_document(hit, recall) for hit in recall.hits]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun | None = None,
        run: Run | None = None,
        k: int | None = None,
    ) -> list[Document]:
        return await asyncio.to_thread(self._get_relevant_documents, query, run=run, k=k)


def _document(hit: Hit, recall: Recall) -> Document:
    record = hit.record
    known = {
        "id": record.id,
        "score": hit.score,
        "date": record.date_text or (record.occurred_at or record.recorded_at).isoformat(),
        "speaker": record.speaker,
        "ref": hit.ref,
        "token": recall.token,
    }
    return Document(page_content=record.text, id=record.id, metadata={**record.metadata, **known})
