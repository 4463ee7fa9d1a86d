"""Fixtures of the unit tests."""

from __future__ import annotations

import pytest

from automem_agents.text.tokens import TiktokenCounter, find_vocabulary


@pytest.fixture(scope="session")
def cl100k() -> TiktokenCounter:
    """Exact counts; the development extra brings the vocabulary."""
    folder = find_vocabulary()
    assert folder is not None, "no cl100k_base vocabulary: install the extra dev"
    return TiktokenCounter(folder)
