"""A pytest plugin for LangChain's own tests: every agent that they create gets one middleware more.

``INJECTED`` says which: ``none``, ``automem`` as the last one, or ``automem_first``. What came of each test, and how
much passed through the memory, is written to the file that ``INJECTED_REPORT`` names.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import langchain.agents
import pytest
from blockbuster import blockbuster_ctx
from langchain.agents import factory
from langchain.agents.middleware import AgentMiddleware

from automem_agents import MemoryController

WHICH = os.environ.get("INJECTED", "none")
Make = Callable[[int], AgentMiddleware[Any, Any]]


class Injection:
    """Adds a middleware to each agent, and reports on the tests."""

    def __init__(self, make: Make | None, memory: MemoryController | None) -> None:
        self.make, self.memory = make, memory
        self.agents = 0
        self.outcomes: dict[str, str] = {}
        self.memory_failed: list[str] = []
        original = factory.create_agent

        @functools.wraps(original)
        def create_agent(*args: Any, middleware: Any = (), **kwargs: Any) -> Any:
            self.agents += 1
            more = [] if make is None else [make(self.agents)]
            chain = [*more, *middleware] if WHICH.endswith("_first") else [*middleware, *more]
            return original(*args, middleware=chain, **kwargs)

        factory.create_agent = langchain.agents.create_agent = create_agent

    @pytest.fixture(autouse=True)
    def nothing_blocks_the_loop(self) -> Iterator[None]:
        """As LangChain's own conftest, which a run of a part of the tests leaves out."""
        with blockbuster_ctx():
            yield

    @pytest.fixture(autouse=True)
    def memory_does_not_fail(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Note the tests in which memory failed; they go on."""
        before = self._failures()
        yield
        if self._failures() != before:
            self.memory_failed.append(request.node.nodeid)

    def _failures(self) -> dict[str, int]:
        return {} if self.memory is None else dict(self.memory.health().failures)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's phases."""
        if report.outcome != "passed" or report.when == "call":
            known = self.outcomes.get(report.nodeid)
            self.outcomes[report.nodeid] = "failed" if "failed" in (known, report.outcome) else report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        found: dict[str, Any] = {
            "outcomes": self.outcomes,
            "agents": self.agents,
            "decisions": 0 if self.memory is None else self.memory.health().decisions,
            "memory_failed": self.memory_failed,
        }
        if self.memory is not None:
            self.memory.close()
        Path(os.environ["INJECTED_REPORT"]).write_text(json.dumps(found), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Put the injection in place before any test is imported."""
    memory, make = None, None
    if WHICH.startswith("automem"):
        from automem_agents_langchain import AutoMemMiddleware

        memory = MemoryController.open(tempfile.mkdtemp())
        # a user of its own for each agent: the memory is empty, whatever the tests before it said
        make = lambda number: AutoMemMiddleware(memory, user_id=f"user-{number}")  # noqa: E731
    config.pluginmanager.register(Injection(make, memory), "injection")
