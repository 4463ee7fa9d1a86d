"""LangChain's standard tests of retrievers and tools, for ours; run by ``test_standard.py`` with its package at hand."""

from __future__ import annotations

import tempfile
from typing import Any, ClassVar

from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import RetrieversIntegrationTests, ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents_langchain import AutoMemRetriever, create_manage_memory_tool, create_search_memory_tool

memory = MemoryController.open(tempfile.mkdtemp(), user_id="ada", embedder=HashEmbedder(), strict=True)
known = [memory.add(f"Ada likes tea number {number}").record_ids[0] for number in range(8)]


class TestRetriever(RetrieversIntegrationTests):
    """AutoMemRetriever."""

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return AutoMemRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"memory": memory}

    @property
    def retriever_query_example(self) -> str:
        return "Which tea does Ada like?"


class Create:
    """Creates a memory."""

    tool_constructor: BaseTool = create_manage_memory_tool(memory)
    tool_invoke_params_example: ClassVar[dict[str, Any]] = {"content": "Ada keeps a heron"}


class Update:
    """Updates one, which is not there when it was updated before."""

    tool_constructor: BaseTool = create_manage_memory_tool(memory)
    tool_invoke_params_example: ClassVar[dict[str, Any]] = {
        "action": "update",
        "id": known[0],
        "content": "Ada likes coffee",
    }


class Search:
    """Searches them."""

    tool_constructor: BaseTool = create_search_memory_tool(memory)
    tool_invoke_params_example: ClassVar[dict[str, Any]] = {"query": "tea", "limit": 3}


class SearchWithArtifact:
    """Searches them and gives the hits."""

    tool_constructor: BaseTool = create_search_memory_tool(memory, response_format="content_and_artifact")
    tool_invoke_params_example: ClassVar[dict[str, Any]] = {"query": "tea"}


class TestCreateUnit(Create, ToolsUnitTests): ...


class TestCreate(Create, ToolsIntegrationTests): ...


class TestUpdateUnit(Update, ToolsUnitTests): ...


class TestUpdate(Update, ToolsIntegrationTests): ...


class TestSearchUnit(Search, ToolsUnitTests): ...


class TestSearch(Search, ToolsIntegrationTests): ...


class TestSearchWithArtifactUnit(SearchWithArtifact, ToolsUnitTests): ...


class TestSearchWithArtifact(SearchWithArtifact, ToolsIntegrationTests): ...
