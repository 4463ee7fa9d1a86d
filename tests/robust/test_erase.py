"""Promise 9: erase is erase. No byte of a text, a vector or an id is left in any file of the store."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from sqlalchemy import JSON, BigInteger, ColumnElement, Float, LargeBinary, Table, func, insert, select

from automem_agents import MemoryController, Namespace
from automem_agents.errors import Erased, StoreUnavailable, UnknownDecision, UnknownRecord
from automem_agents.journal import schema
from automem_agents.testing import HashEmbedder

Open = Callable[..., MemoryController]
FilesWith = Callable[[Path, bytes], list[str]]

USER = "zanzibar-user-77"
WORD = "xylocanary"
BLOB = b"\xde\xad\xbe\xef" * 64
# What belongs to the whole store and holds nothing of a user.
STORE_WIDE = {"meta", "policies", "ledger", "learners"}  # numbers; what of them goes is tested with learning
OTHERS = 600


def other_text(number: int) -> str:
    return f"Visitor {number} left the umbrella {number * 7} in room {number % 40} of the west wing " + "by noon " * 5


def fill_others(memory: MemoryController, count: int = OTHERS) -> None:
    """Store records of three other users, and among them short turns of the user.

    Their ids come in no order, so that pages of the indexes split, and splitting leaves copies behind.
    """
    numbers = list(range(count // 4))
    random.Random(9).shuffle(numbers)
    for start in range(0, count, 20):
        turn = [{"role": "user", "content": other_text(number)} for number in range(start, start + 20)]
        memory.observe(turn, user_id=f"other{start // 20 % 3}")
        for number in numbers[start // 4 : start // 4 + 5]:
            text = f"The {WORD} of room {number} is {number * 3} feet long"
            memory.observe({"role": "user", "content": text}, turn_id=f"turn {number} {WORD}", user_id=USER)
    for user in (USER, "other0", "other1", "other2"):
        grow(memory, user)


def grow(memory: MemoryController, user: str) -> None:
    """Change the rows of a user in no order, so that they outgrow the pages they share with others' rows."""
    ids = [record.id for record in memory.records(limit=None, user_id=user)]
    random.Random(9).shuffle(ids)
    for start in range(0, len(ids), 10):
        decision = memory.forget(*ids[start : start + 10], user_id=user)
        if start % 20:
            memory.undo(decision.id, user_id=user)


def fill(memory: MemoryController, **scope: str) -> list[str]:
    """Do everything that leaves a trace of a user; return the ids of decisions."""
    said = {"user_id": USER, **scope}
    first = memory.add(f"The {WORD} number one nests in Turin", key="nest", metadata={"tag": WORD}, **said)
    second = memory.add(f"The {WORD} number two nests in Oslo", key="nest", speaker=WORD, **said)
    (third,) = memory.add(f"The {WORD} number three sings at dawn", date=f"the {WORD} year", **said).record_ids
    updated = memory.update(third, f"The {WORD} number four sings at dusk", **said)
    merged = [f"The {WORD} number five keeps the blue bicycle in the north shed" + mark for mark in ("", "!", "!!")]
    receipts = [memory.observe({"role": "user", "content": text}, **said) for text in merged[:2]]
    memory.add(merged[2], **said)
    consolidated = memory.consolidate(**said)
    forgotten = memory.forget(*memory.add(f"The {WORD} number six is grey", **said).record_ids, **said)
    with memory.trajectory(run_id=f"run-{WORD}", session=f"session-{WORD}", **said) as run:
        recall = run.recall(f"Where does the {WORD} nest?")
        run.observe([{"role": "tool", "content": f"The {WORD} number seven weighs 12 grams"}], turn_id=f"turn-{WORD}")
        run.feedback(1.0)
    memory.feedback(recall.token, "NEGATIVE", cited=["m1", WORD], key=WORD)
    put_item(memory)
    receipts += [first, second, updated]
    decided = [decision.id for receipt in receipts for decision in receipt.decisions]
    return [*decided, *(decision.id for decision in consolidated), forgotten.id, recall.token]


def put_item(memory: MemoryController) -> None:
    """Put an item of the user, found by a vector, and rewrite it in another length."""
    items = memory.items(user_label=1)
    for times in (40, 1, 90):
        item = items.prepare(("notes", USER), f"the {WORD}", {"text": f"{WORD} " * times}, timedelta(days=1))
        vectors = {f"{WORD} field": np.frombuffer(BLOB, dtype="<f4")}
        items.write([replace(item, vectors=vectors, space=WORD)])


def plant(memory: MemoryController, namespace: Namespace) -> None:
    """Insert a row with canaries into each table of the namespace that no verb has filled."""
    with memory.store.journal.write() as connection:
        for table in schema.metadata.sorted_tables:
            if table.name in STORE_WIDE or connection.scalar(count_of(table, namespace.key)):
                continue
            values = {
                column.name: namespace.key if column.name == "namespace" else _canary(connection, column, namespace.key)
                for column in table.columns
                if not (column.primary_key and not column.foreign_keys and column.name == "seq")
            }
            connection.execute(insert(table).values(values))


def churn(memory: MemoryController, users: list[str]) -> None:
    """Write messages of several users in turns and rewrite them in other lengths.

    Rows move between pages so often that SQLite leaves copies in free space, which ``secure_delete`` does not reach.
    """
    lengths = random.Random(9)
    words = {Namespace(user).key: WORD if user == USER else "heron" for user in users}
    rows = [(key, word) for _ in range(300) for key, word in words.items()]

    def values(key: int, word: str) -> dict[str, Any]:
        body = {"text": f"{word} " * lengths.randrange(60)}
        return {"namespace": key, "session": f"{word} {lengths.randrange(9)}", "body": body, "recorded_at": 1}

    with memory.store.journal.write() as connection:
        connection.execute(insert(schema.messages), [values(*row) for row in rows])
        for _ in range(900):
            number = lengths.randrange(len(rows))
            here = schema.messages.c.seq == number + 1
            connection.execute(schema.messages.update().where(here).values(values(*rows[number])))


def _canary(connection: Any, column: Any, namespace: int) -> Any:
    for key in column.foreign_keys:
        parent = key.column.table
        return connection.scalar(select(key.column).where(_owned(parent, namespace)).limit(1))
    if isinstance(column.type, LargeBinary):
        return BLOB
    if isinstance(column.type, JSON):
        return {"body": WORD}
    return 1 if isinstance(column.type, (BigInteger, Float)) else f"{WORD} in {column.table.name}"


def _owned(table: Table, namespace: int) -> ColumnElement[bool]:
    """Return the condition that a row belongs to a namespace: by its column, or by what it refers to."""
    if table is schema.namespaces:
        return table.c.key == namespace
    if "namespace" in table.c:
        return table.c.namespace == namespace
    key = next((key for column in table.columns for key in column.foreign_keys), None)
    assert key is not None, f"whose are the rows of {table.name}? give it a namespace, or name it in STORE_WIDE"
    return key.parent.in_(select(key.column).where(_owned(key.column.table, namespace)))


def count_of(table: Table, namespace: int) -> Any:
    return select(func.count()).select_from(table).where(_owned(table, namespace))


def counts(memory: MemoryController, namespace: Namespace) -> dict[str, int]:
    with memory.store.journal.read() as connection:
        tables = [table for table in schema.metadata.sorted_tables if table.name not in STORE_WIDE]
        return {table.name: connection.scalar(count_of(table, namespace.key)) for table in tables}


def vectors_of(memory: MemoryController, namespace: Namespace) -> list[bytes]:
    with memory.store.journal.read() as connection:
        found = select(schema.records.c.vector).where(schema.records.c.namespace == namespace.key)
        return sorted({bytes(vector) for vector in connection.scalars(found)})


def hits_of_others(memory: MemoryController) -> list[list[tuple[str, float]]]:
    """Return what others find, with scores."""
    return [
        [(hit.record.id, round(hit.dense, 4)) for hit in memory.search(other_text(n), top_k=5, user_id=f"other{n % 3}")]
        for n in (0, 151, 299)
    ]


def leaks(folder: Path, files_with: FilesWith, needles: list[bytes]) -> dict[bytes, list[str]]:
    return {needle[:24]: found for needle in needles if (found := files_with(folder, needle))}


def test_every_table_is_covered() -> None:
    for table in schema.metadata.sorted_tables:
        if table.name not in STORE_WIDE:
            _owned(table, 0)


def test_erase_leaves_no_byte_in_any_file(open_memory: Open, files_with: FilesWith) -> None:
    memory = open_memory(observe_deadline=60.0, recall_deadline=60.0)
    folder = memory.store.journal.folder
    ada = Namespace(USER)
    fill_others(memory)
    decisions = fill(memory)
    memory.search(f"the {WORD}", user_id=USER)
    churn(memory, [USER, "other0", "other1"])
    plant(memory, ada)
    assert memory.flush()
    before = counts(memory, ada)
    assert all(before.values()), before  # a table without a row of this user would prove nothing
    vectors = vectors_of(memory, ada)
    assert len(vectors) >= 8
    texts = [WORD.encode(), USER.encode(), BLOB]
    assert all(files_with(folder, needle) for needle in [*texts, *vectors])
    others = hits_of_others(memory)

    erased = memory.erase(user_id=USER)

    assert erased == before["records"]
    assert leaks(folder, files_with, [*texts, *vectors]) == {}
    left = counts(memory, ada)
    assert left.pop("changes") == 1  # that everything went, for other processes
    assert not any(left.values()), left
    assert hits_of_others(memory) == others
    memory.close()
    assert leaks(folder, files_with, [*texts, *vectors]) == {}

    memory = open_memory(observe_deadline=60.0, recall_deadline=60.0)
    check_gone(memory, decisions)
    assert hits_of_others(memory) == others
    assert memory.flush()  # the index is fed again from the journal
    assert hits_of_others(memory) == others
    assert (
        len([r for n in range(3) for r in memory.records(user_id=f"other{n}", limit=None, tombstones=True)]) == OTHERS
    )
    assert leaks(folder, files_with, [WORD.encode(), BLOB, *vectors]) == {}  # the recall above filed the user anew


@pytest.mark.any_index
def test_an_index_that_is_fed_again_holds_nothing_of_what_was_erased(open_memory: Open, files_with: FilesWith) -> None:
    memory = open_memory(index_threshold=0, observe_deadline=60.0)
    fill_others(memory)
    vectors = vectors_of(memory, Namespace(USER))
    assert memory.flush()
    memory.erase(user_id=USER)
    folder = memory.store.journal.folder
    assert leaks(folder, files_with, [WORD.encode(), *vectors]) == {}
    hits_of_others(memory)
    assert memory.flush()
    memory.close()
    assert leaks(folder, files_with, [WORD.encode(), *vectors]) == {}


def check_gone(memory: MemoryController, decisions: list[str]) -> None:
    assert memory.records(user_id=USER, tombstones=True, limit=None) == []
    assert memory.search(WORD, user_id=USER) == []
    assert memory.recall(WORD, user_id=USER).text == ""
    for decision_id in decisions:
        with pytest.raises((Erased, UnknownDecision)):
            memory.undo(decision_id)
        with pytest.raises((Erased, UnknownDecision)):
            memory.feedback(decision_id, 1.0)


def test_erase_of_one_namespace_or_of_all_agents(open_memory: Open, files_with: FilesWith) -> None:
    memory = open_memory()
    folder = memory.store.journal.folder
    fill(memory)
    fill(memory, agent_id=f"planner-{WORD}")
    (kept,) = memory.add("The same id in another app", user_id=USER, app="second").record_ids
    (own,) = memory.add("An agent of another user", user_id="other", agent_id=f"planner-{WORD}").record_ids
    memory.erase(user_id=USER)
    planner = {"user_id": USER, "agent_id": f"planner-{WORD}"}
    assert len(memory.records(limit=None, tombstones=True, **planner)) >= 8
    memory.add(f"The {WORD} number eight", user_id=USER)
    memory.erase(user_id=USER, all_agents=True)
    assert memory.records(limit=None, tombstones=True, **planner) == []
    assert files_with(folder, b"number eight") == []
    assert files_with(folder, b"number two") == []
    assert memory.get(kept, user_id=USER, app="second").text == "The same id in another app"
    assert memory.get(own, user_id="other", agent_id=f"planner-{WORD}").text == "An agent of another user"
    assert memory.flush()
    memory.erase(user_id=USER, app="second")
    memory.erase(user_id="other", all_agents=True)
    assert leaks(folder, files_with, [WORD.encode(), USER.encode()]) == {}


def test_delete_leaves_no_byte_of_its_record(open_memory: Open, files_with: FilesWith) -> None:
    memory = open_memory(user_id="ada")
    folder = memory.store.journal.folder
    fill_others(memory, 300)
    memory.erase(user_id=USER)
    kept = memory.add("The heron stays at the lake")
    receipt = memory.add(f"The {WORD} number one nests in Turin", metadata={"tag": WORD}, speaker=WORD)
    memory.recall(f"Where does the {WORD} nest?")
    assert memory.flush()
    (vector,) = set(vectors_of(memory, Namespace("ada"))) - {vector_of(memory, "user: The heron stays at the lake")}
    needles = [WORD.encode(), vector]
    assert all(files_with(folder, needle) for needle in needles)
    others = hits_of_others(memory)
    assert memory.delete(*receipt.record_ids) == 1
    assert leaks(folder, files_with, needles) == {}
    with pytest.raises(UnknownRecord):
        memory.get(*receipt.record_ids)
    with pytest.raises((Erased, UnknownDecision)):
        memory.undo(receipt.decisions[0].id)
    assert [record.id for record in memory.records()] == list(kept.record_ids)
    assert hits_of_others(memory) == others
    memory.close()
    assert leaks(folder, files_with, needles) == {}


def vector_of(memory: MemoryController, line: str) -> bytes:
    return memory.store.embed([line])[0].astype("<f4").tobytes()


def test_delete_takes_what_says_the_same_and_leaves_other_versions(open_memory: Open, files_with: FilesWith) -> None:
    memory = open_memory(user_id=USER)
    folder = memory.store.journal.folder
    text = f"The {WORD} keeps the blue bicycle in the north shed"
    memory.observe({"role": "user", "content": text})
    (merged,) = memory.observe({"role": "user", "content": text + "!"}).record_ids
    (old,) = memory.add("Ada lives in Turin", key="home").record_ids
    (new,) = memory.add("Ada lives in Oslo", key="home").record_ids
    assert memory.flush()
    assert memory.delete(merged) == 2
    assert leaks(folder, files_with, [WORD.encode()]) == {}
    assert memory.flush()
    assert memory.delete(new) == 1
    assert memory.get(old).text == "Ada lives in Turin"
    assert leaks(folder, files_with, [b"Ada lives in Oslo"]) == {}


def test_erase_while_another_controller_has_the_store_open(open_memory: Open, files_with: FilesWith) -> None:
    memory, other = open_memory(user_id=USER), open_memory(user_id=USER)
    memory.add(f"The {WORD} number one nests in Turin")
    assert len(other.search(WORD)) == 1
    memory.erase()
    assert other.search(WORD) == []
    assert other.recall(WORD).text == ""
    assert other.records(tombstones=True) == []
    assert files_with(memory.store.journal.folder, WORD.encode()) == []


def test_what_is_said_after_an_erase_is_kept(open_memory: Open) -> None:
    memory = open_memory(user_id=USER)
    fill(memory)
    memory.erase()
    memory.observe({"role": "user", "content": "The heron stays at the lake"}, turn_id=f"turn-{WORD}")
    assert memory.flush()
    assert [hit.record.text for hit in memory.search("heron lake")] == ["The heron stays at the lake"]
    memory.close()
    again = open_memory(user_id=USER, embedder=HashEmbedder())
    assert [hit.record.text for hit in again.search("heron lake")] == ["The heron stays at the lake"]


@pytest.mark.any_index
def test_erase_of_nobody(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    memory.add("The heron stays at the lake")
    assert memory.erase(user_id="nobody") == 0
    assert memory.erase(user_id="nobody", all_agents=True) == 0
    assert len(memory.records()) == 1


@pytest.mark.any_index
def test_erase_says_so_while_a_reader_keeps_the_log(open_memory: Open, files_with: FilesWith) -> None:
    memory = open_memory(user_id="ada", busy_timeout=0.2)
    memory.add("The canary sings at noon")
    folder = memory.store.journal.folder
    reader = sqlite3.connect(folder / "journal.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM records").fetchone()
    with pytest.raises(StoreUnavailable, match="erase again"):
        memory.erase()
    assert memory.records() == []
    reader.close()
    memory.erase()
    assert leaks(folder, files_with, [b"canary sings"]) == {}


def test_erase_removes_an_index_from_before_the_store_moved_to_a_client(tmp_path: Path, files_with: FilesWith) -> None:
    folder, options = tmp_path / "moved", {"user_id": "ada", "embedder": HashEmbedder(), "strict": True}
    with MemoryController.open(folder, index_threshold=0, **options) as embedded:
        embedded.add("My passport number is X4711")
        (vector,) = vectors_of(embedded, Namespace("ada"))
        assert embedded.flush(60)
    assert any("index/" in name for name in files_with(folder, vector))
    client = chromadb.EphemeralClient(settings=chromadb.Settings(anonymized_telemetry=False))
    with MemoryController.open(folder, chroma=client, **options) as moved:
        moved.erase()
    assert leaks(folder, files_with, [vector]) == {}
    client.close()
