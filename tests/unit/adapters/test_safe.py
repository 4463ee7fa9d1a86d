"""What adapters are given is checked, and a memory that fails costs no call unless it is strict."""

from __future__ import annotations

import pytest

from automem_agents import MemoryController
from automem_agents.adapters.safe import checked_least, checked_memory, safely, usable_name
from automem_agents.errors import InvalidInput, StoreClosed

pytestmark = pytest.mark.any_index


def test_only_a_memory_is_a_memory(memory: MemoryController) -> None:
    assert checked_memory(memory) is memory
    with pytest.raises(InvalidInput, match="MemoryController, not str"):
        checked_memory("memory")


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "3"])
def test_a_number_below_the_least_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="top_k must be a whole number of at least 1"):
        checked_least("top_k", value, 1)


def test_a_number_may_be_left_out() -> None:
    assert checked_least("top_k", None, 1) is None
    assert checked_least("top_k", 1, 1) == 1


@pytest.mark.parametrize("name", [None, "", " ", "a\0b", 7, "\ud800"])
def test_an_odd_name_is_none(name: object) -> None:
    assert usable_name(name) == ""


def test_a_long_name_is_cut() -> None:
    assert usable_name("x" * 300) == "x" * 256


def test_a_strict_memory_raises_and_another_does_not(open_memory, tmp_path) -> None:
    strict, lenient = open_memory(user_id="ada"), open_memory(tmp_path / "other", user_id="ada", strict=False)
    for opened in (strict, lenient):
        opened.close()
    with pytest.raises(StoreClosed):
        safely(strict, strict.recall, "tea")
    assert safely(lenient, lenient.recall, "tea") is None
