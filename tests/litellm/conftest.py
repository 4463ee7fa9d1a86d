"""Fixtures: no collector is left behind, and a server that speaks OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_stub import OpenAIStub, openai_stub

from automem_agents_litellm._litellm import litellm


@pytest.fixture(autouse=True)
def clean_litellm() -> Iterator[None]:
    """Let every test begin and end without callbacks, which are the process's."""
    lists = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
    before = {name: list(getattr(litellm(), name)) for name in lists}
    for name in lists:
        setattr(litellm(), name, [])
    yield
    for name, value in before.items():
        setattr(litellm(), name, value)


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    """Serve on the loopback."""
    with openai_stub() as served:
        yield served


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
