"""A record is found by the words of what it took the place of, as long as that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from automem_agents import MemoryController
from automem_agents.journal import records
from automem_agents.journal.schema import lineage, metadata
from automem_agents.journal.schema import records as table

Open = Callable[..., MemoryController]

pytestmark = pytest.mark.any_index


def _lexical(memory: MemoryController, query: str, text: str) -> float:
    """Return how well a record's words match a query."""
    return max((hit.lexical for hit in memory.search(query, top_k=50) if hit.record.text == text), default=0.0)


def _tell(memory: MemoryController, *texts: str, key: str = "k") -> list[str]:
    receipts = [memory.observe({"role": "user", "content": text, "key": key}) for text in texts]
    return [receipt.decisions[0].id for receipt in receipts]


CHANGE = ("My bicycle is a Peugeot", "swapped it for something red", "and that one for something green")


@pytest.fixture
def both(open_memory: Open) -> list[MemoryController]:
    """Two memories on one store: what one writes, the other reads from the journal."""
    writer, reader = open_memory(user_id="ada"), open_memory(user_id="ada")
    writer.observe({"role": "user", "content": "A heron stood by the canal"})
    reader.search("anything")
    _tell(writer, *CHANGE)
    return [writer, reader]


def test_a_change_is_found_by_what_it_does_not_say(both: Sequence[MemoryController], open_memory: Open) -> None:
    for memory in (*both, open_memory(user_id="ada")):
        found = [_lexical(memory, word, CHANGE[2]) for word in ("bicycle", "red", "green")]
        assert min(found) > 0
        assert _lexical(memory, "heron", CHANGE[2]) == 0
        assert "bicycle" not in memory.recall("bicycle").text.lower()


def test_what_is_deleted_leaves_no_word(both: Sequence[MemoryController], open_memory: Open) -> None:
    writer = both[0]
    oldest = writer.history(writer.search("green")[0].record.id)[0]
    assert _lexical(both[1], "bicycle", CHANGE[2]) > 0
    writer.delete(oldest.id)
    for memory in (*both, open_memory(user_id="ada")):
        assert _lexical(memory, "bicycle", CHANGE[2]) == 0
        assert _lexical(memory, "red", CHANGE[2]) > 0


def test_what_is_vacuumed_leaves_no_word(both: Sequence[MemoryController], open_memory: Open) -> None:
    assert both[0].vacuum() == 2
    for memory in (*both, open_memory(user_id="ada")):
        assert [_lexical(memory, word, CHANGE[2]) for word in ("bicycle", "red")] == [0, 0]


def test_undo_gives_words_back(both: Sequence[MemoryController], open_memory: Open) -> None:
    writer = both[0]
    last = writer.get(writer.search("green")[0].record.id)
    decision = next(d.id for d in writer.decisions(limit=50) if last.id in d.records)
    writer.undo(decision)
    for memory in (*both, open_memory(user_id="ada")):
        assert [_lexical(memory, word, CHANGE[1]) > 0 for word in ("bicycle", "red", "green")] == [True, True, False]


def test_words_of_a_key_are_found(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    _tell(memory, "It is 42 now", key="shoe_size")
    assert _lexical(memory, "which shoe", "It is 42 now") > 0


def test_words_pass_through_repeats(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", key_extractor=None)
    said = {"role": "user", "content": "I keep a tame badger in the garden"}
    memory.observe(said)
    memory.observe({**said, "content": "As I said: I keep a tame badger in the garden"})
    (live,) = memory.records(limit=None)
    assert live.parents
    memory.update(live.id, "let it go last week")
    assert _lexical(memory, "badger", "let it go last week") > 0


def test_words_come_from_a_few_generations_only(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    words = [f"w{number}x" for number in range(records.GENERATIONS + 2)]
    _tell(memory, *words)
    found = [_lexical(memory, word, words[-1]) > 0 for word in words]
    assert found == [False] + [True] * (len(words) - 1)


@given(st.sets(st.tuples(st.integers(1, 8), st.integers(1, 8), st.sampled_from(["update", "merge", "alike"]))))
def test_only_what_was_replaced_in_the_same_namespace_counts(links: set[tuple[int, int, str]]) -> None:
    engine = create_engine("sqlite://")
    forward = {(max(a, b), min(a, b)): relation for a, b, relation in links if a != b}
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(table.insert(), [_row(seq) for seq in range(1, 9)])
        if forward:
            rows = [{"child": a, "parent": b, "relation": relation} for (a, b), relation in forward.items()]
            connection.execute(lineage.insert(), rows)
        found = records.former_texts(connection, 0, list(range(1, 9)))
    for seq in range(1, 9):
        assert set(found.get(seq, "").split()) == {f"t{n}" for n in _above(seq, forward)}


def _row(seq: int) -> dict[str, object]:
    """Return a record, every fourth of another namespace."""
    numbers = dict.fromkeys(("tokens", "line_tokens", "position", "segment", "recorded_at", "valid_from"), 0)
    words = dict.fromkeys(("role", "speaker", "kind", "source"), "user")
    own = {"seq": seq, "id": str(seq), "namespace": int(seq % 4 == 0), "text": f"t{seq}", "state": "live"}
    return {**numbers, **words, **own, "fingerprint": b"", "vector": b"", "trust": 1.0, "metadata": {}}


def _above(seq: int, links: dict[tuple[int, int], str]) -> set[int]:
    direct = {b for (a, b), relation in links.items() if a == seq and relation != "alike" and b % 4}
    return direct.union(*(_above(b, links) for b in direct))
