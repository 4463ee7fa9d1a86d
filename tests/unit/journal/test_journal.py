"""The journal: versions, durability settings, sequence numbers, the feed of changes."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, delete, inspect, select, text, update

import automem_agents
from automem_agents import Namespace
from automem_agents.errors import SchemaTooNew, StoreClosed, StoreUnavailable
from automem_agents.journal import Journal, records, schema
from automem_agents.journal.migrations import migrate
from automem_agents.journal.sqlite import FILE

pytestmark = pytest.mark.any_index

ADA = Namespace("ada")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "store")
    yield journal
    journal.close()


def new_record(name: str, **values: object) -> records.NewRecord:
    said = {"text": name, "fingerprint": name.encode(), "vector": b"\0\0\0\0", "tokens": 3, "line_tokens": 3}
    where = {"run_id": None, "session": None, "turn_seq": None, "position": 0, "segment": 0, "kind": "log", "key": None}
    source = {"role": "user", "speaker": "user", "source": "user", "trust": 1.0, "metadata": {}}
    times = {"occurred_at": None, "date_text": None, "recorded_at": 1, "valid_from": 1}
    return records.NewRecord(id=f"mem_{name}", namespace=ADA.key, **{**said, **where, **source, **times, **values})


def stored(connection: Connection, *names: str) -> list[int]:
    seqs = records.insert_records(connection, [new_record(name) for name in names])
    records.log_changes(connection, ADA.key, seqs, "add")
    return seqs


# -- versions ---------------------------------------------------------------------------------------------------


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    raw.close()
    with pytest.raises(SchemaTooNew, match=r"version 99.*upgrade automem-agents"):
        Journal(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as raw:
        assert raw.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone() == ("99",)
    raw.close()


def test_an_older_store_is_brought_forward_step_by_step(journal: Journal) -> None:
    steps: list[int] = []

    def to_two(connection: Connection) -> None:
        steps.append(2)
        Table("extra", MetaData(), Column("a", Integer)).create(connection)

    def to_three(connection: Connection) -> None:
        steps.append(3)
        connection.execute(text("INSERT INTO extra VALUES (7)"))

    with journal.write() as connection:
        journal.set_meta(connection, "schema_version", "1")
        migrate(connection, {1: to_two, 2: to_three}, target=3)
    with journal.write() as connection:
        migrate(connection, {1: to_two, 2: to_three}, target=3)  # nothing is left to do
    assert steps == [2, 3]
    with journal.read() as connection:
        assert journal.meta(connection, "schema_version") == "3"
        assert connection.scalar(text("SELECT a FROM extra")) == 7


def test_a_migration_that_fails_changes_nothing(journal: Journal) -> None:
    def broken(connection: Connection) -> None:
        Table("extra", MetaData(), Column("a", Integer)).create(connection)
        raise RuntimeError("broken step")

    now, later = schema.SCHEMA_VERSION, schema.SCHEMA_VERSION + 1
    with pytest.raises(RuntimeError, match="broken step"), journal.write() as connection:
        migrate(connection, {now: broken}, target=later)
    with journal.read() as connection:
        assert journal.meta(connection, "schema_version") == str(now)
        assert "extra" not in inspect(connection).get_table_names()


SIGNALS_OF_VERSION_2 = """CREATE TABLE signals (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace BIGINT NOT NULL REFERENCES namespaces (key), run_id VARCHAR,
    decision_seq INTEGER REFERENCES decisions (seq), kind VARCHAR NOT NULL, weight FLOAT NOT NULL,
    recorded_at BIGINT NOT NULL)"""


ITEMS_OF_VERSION_2 = """CREATE TABLE items (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace BIGINT NOT NULL REFERENCES namespaces (key), path VARCHAR NOT NULL, name VARCHAR NOT NULL,
    value JSON NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, expires_at BIGINT,
    UNIQUE (namespace, path, name))"""
ITEM_VECTORS_OF_VERSION_2 = """CREATE TABLE item_vectors (item_seq INTEGER NOT NULL REFERENCES items (seq),
    field VARCHAR NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (item_seq, field))"""
CHANGED_AFTER_1 = ("signals", "items", "item_vectors", "credits", "learners")


def test_a_store_of_version_1_gets_the_indexes_and_columns_of_today(tmp_path: Path) -> None:
    def columns(journal: Journal) -> dict[str, list[str]]:
        with journal.read() as connection:
            looked_up = inspect(connection)
            return {
                table: sorted(column["name"] for column in looked_up.get_columns(table)) for table in CHANGED_AFTER_1
            }

    def indexes(journal: Journal) -> dict[str, str]:
        with journal.read() as connection:
            return dict(connection.execute(text("SELECT name, sql FROM sqlite_schema WHERE type = 'index'")).all())

    today = Journal(tmp_path)
    expected, expected_columns = indexes(today), columns(today)
    with today.write() as connection:
        connection.execute(text("CREATE INDEX records_by_fingerprint ON records (namespace, fingerprint, state)"))
        connection.execute(text("DROP INDEX records_by_key"))
        connection.execute(text("CREATE INDEX records_by_key ON records (namespace, key, state)"))
        connection.execute(text("DROP TABLE credits"))
        connection.execute(text("DROP TABLE learners"))
        connection.execute(text("DROP TABLE signals"))
        connection.execute(text(SIGNALS_OF_VERSION_2))
        connection.execute(text("DROP TABLE item_vectors"))
        connection.execute(text("DROP TABLE items"))
        connection.execute(text(ITEMS_OF_VERSION_2))
        connection.execute(text(ITEM_VECTORS_OF_VERSION_2))
        connection.execute(text("CREATE INDEX ix_signals_decision_seq ON signals (decision_seq)"))
        connection.execute(
            text("INSERT INTO namespaces (key, app, user_id, created_at) VALUES (1, 'default', 'ada', 0)")
        )
        connection.execute(
            text("INSERT INTO signals VALUES (7, 1, 'r1', NULL, 'run_failed', -1.0, 5), (8, 1, 'r2', NULL, 'x', 0, 5)")
        )
        today.set_meta(connection, "schema_version", "1")
    today.close()
    journal = Journal(tmp_path)
    assert indexes(journal) == expected
    assert columns(journal) == expected_columns
    with journal.read() as connection:
        kept = connection.execute(text("SELECT seq, kind, name, turn_seq FROM signals ORDER BY seq")).all()
    assert kept == [(7, "exception", "", None), (8, "x", "", None)]
    journal.close()


def test_the_log_is_moved_into_the_database_in_the_background(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for i in range(64):
        with journal.write() as connection:
            journal.set_meta(connection, "colour", str(i) * 1000)
    journal._checkpoints.wait()
    moved = (tmp_path / "journal.db").read_bytes()
    assert any(f"{i}".encode() * 500 in moved for i in range(50, 64))  # no commit makes one itself at this size
    journal.close()


def test_closing_lets_a_running_transaction_end(tmp_path: Path) -> None:
    journal, begun = Journal(tmp_path), threading.Event()

    def write() -> None:
        with journal.write() as connection:
            begun.set()
            time.sleep(0.2)
            journal.set_meta(connection, "colour", "red")

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(10)
    journal.close()
    writer.join()
    again = Journal(tmp_path)
    with again.read() as connection:
        assert again.meta(connection, "colour") == "red"
    again.close()


def test_every_older_version_has_its_step() -> None:
    from automem_agents.journal.migrations import MIGRATIONS

    assert set(MIGRATIONS) == set(range(1, schema.SCHEMA_VERSION))


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()
    with pytest.raises(StoreUnavailable, match="not an automem-agents store"):
        Journal(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    raw.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is certainly no database, whatever its name says" * 50)
    with pytest.raises(StoreUnavailable):
        Journal(tmp_path)


def test_a_folder_that_is_a_file_or_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(StoreUnavailable, match=name):
            Journal(tmp_path / name)


# -- durability -------------------------------------------------------------------------------------------------


def test_every_connection_is_durable_and_forgets_what_is_deleted(journal: Journal) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    for open_one in (journal.read, journal.write):
        with open_one() as connection:
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
            assert found == expected


def test_only_one_file_knows_sqlite() -> None:
    source = Path(automem_agents.__file__).parent
    dialect = re.compile(r"PRAGMA|sqlite_|INSERT OR|ON CONFLICT|\browid\b|import sqlite3|dialects\.sqlite", re.I)
    declared = r"sqlite_autoincrement|sqlite_where"  # SQLAlchemy's options; other databases pass them over
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if dialect.search(re.sub(declared, "", path.read_text(encoding="utf-8")))
    }
    assert found == {"journal/sqlite.py", "index/embedded.py"}  # the latter looks whether Chroma's own file is locked


def test_a_transaction_that_raises_leaves_nothing(journal: Journal) -> None:
    def half() -> None:
        with journal.write() as connection:
            journal.ensure_namespace(connection, ADA, 1)
            stored(connection, "half")
            raise KeyError("in between")

    with pytest.raises(KeyError, match="in between"):
        half()
    with journal.read() as connection:
        assert connection.execute(select(schema.records)).all() == []
        assert connection.execute(select(schema.namespaces)).all() == []


def test_readers_see_one_consistent_view_and_do_not_wait_for_writers(journal: Journal) -> None:
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)
    with journal.write() as writer:
        stored(writer, "a")
        with journal.read() as reader:
            assert len(list(records.live_rows(reader, ADA.key))) == 0
    with journal.read() as reader:
        assert len(list(records.live_rows(reader, ADA.key))) == 1


def test_writers_take_turns(journal: Journal) -> None:
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)

    def write(number: int) -> None:
        for i in range(20):
            with journal.write() as connection:
                stored(connection, f"{number}-{i}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with journal.read() as connection:
        assert len(list(records.live_rows(connection, ADA.key))) == 80


def test_a_closed_journal_says_so(journal: Journal) -> None:
    journal.close()
    journal.close()
    for use in (journal.read, journal.write):
        with pytest.raises(StoreClosed), use():
            pass


def test_foreign_keys_hold(journal: Journal) -> None:
    with pytest.raises(StoreUnavailable, match="FOREIGN KEY"), journal.write() as connection:
        stored(connection, "orphan")  # its namespace isn't filed


# -- sequence numbers and changes ---------------------------------------------------------------------------------


def test_numbers_are_never_given_again(journal: Journal) -> None:
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)
        first = stored(connection, "a", "b")
        connection.execute(delete(schema.changes))
        connection.execute(delete(schema.records))
    with journal.write() as connection:
        second = stored(connection, "c")
        newest = records.changes_since(connection, ADA.key, 0)[0]
    assert second[0] > max(first)
    assert newest > 2


def test_tables_that_are_referred_to_by_number_never_reuse_one() -> None:
    counted = [t for t in schema.metadata.sorted_tables if "seq" in t.c and t.c.seq.primary_key]
    assert len(counted) >= 8
    assert all(t.dialect_options["sqlite"]["autoincrement"] for t in counted)


def test_the_feed_tells_each_namespace_what_changed(journal: Journal) -> None:
    bob = Namespace("bob")
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)
        journal.ensure_namespace(connection, bob, 1)
        a, b = stored(connection, "a", "b")
        newest, changed = records.changes_since(connection, ADA.key, 0)
        assert sorted(changed) == [a, b]
        assert newest == records.changes_since(connection, ADA.key, 0)[0]
        assert records.changes_since(connection, ADA.key, newest) == (newest, [])
        records.log_changes(connection, ADA.key, [a, a], "forget")
        later, changed = records.changes_since(connection, ADA.key, newest)
        assert changed == [a]
        assert later > newest
        assert records.changes_since(connection, bob.key, 0) == (0, [])
        records.log_changes(connection, ADA.key, [None], "erase")
        assert records.changes_since(connection, ADA.key, later)[1] == [None]


def test_two_namespaces_with_one_hash_are_not_mixed(journal: Journal) -> None:
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)
        connection.execute(update(schema.namespaces).values(user_id="somebody else"))
    with pytest.raises(StoreUnavailable, match="collide"), journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)


def test_the_newest_change_is_seen_once_it_is_committed(tmp_path: Path) -> None:
    one, other = Journal(tmp_path), Journal(tmp_path)
    assert one.newest_change() == 0
    with other.write() as connection:
        other.ensure_namespace(connection, ADA, 1)
        last = records.log_changes(connection, ADA.key, [1, 2], "add")
        assert last == 2
        assert one.newest_change() == 0
    assert one.newest_change() == other.newest_change() == last
    with one.write() as connection:
        one.set_meta(connection, "colour", "red")
    assert one.newest_change() == last
    one.close()
    other.close()


def test_meta_values_are_set_and_replaced(journal: Journal) -> None:
    with journal.write() as connection:
        assert journal.meta(connection, "colour") is None
        journal.set_meta(connection, "colour", "red")
        journal.set_meta(connection, "colour", "blue")
        assert journal.meta(connection, "colour") == "blue"


def test_lineage_is_followed_in_both_directions(journal: Journal) -> None:
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)
        a, b, c, d = stored(connection, "a", "b", "c", "d")
        records.link(connection, b, [a], "update")
        records.link(connection, c, [b], "merge")
        assert all(records.relatives(connection, seq) == [a, b, c] for seq in (a, b, c))
        assert records.relatives(connection, d) == [d]
        assert records.parents_of(connection, [a, b, c]) == {b: ("mem_a",), c: ("mem_b",)}


def test_more_ids_than_one_statement_takes(journal: Journal) -> None:
    with journal.write() as connection:
        journal.ensure_namespace(connection, ADA, 1)
        seqs = stored(connection, *(str(i) for i in range(1203)))
        assert len(records.rows_by_seq(connection, ADA.key, seqs)) == 1203
        assert len(records.vectors_by_seq(connection, ADA.key, seqs)) == 1203
        assert records.rows_by_seq(connection, Namespace("bob").key, seqs) == {}
        assert len(records.existing_ids(connection, [f"mem_{i}" for i in range(2000)])) == 1203
