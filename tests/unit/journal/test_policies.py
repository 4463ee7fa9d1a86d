"""The tables of policies and of the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from automem_agents.errors import NotFound
from automem_agents.journal import Journal, policies, schema
from automem_agents.journal.policies import Event, NewPolicy
from automem_agents.journal.sqlite import FILE

pytestmark = pytest.mark.any_index

OF_VERSION_4 = """CREATE TABLE policies (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR NOT NULL,
    version INTEGER NOT NULL, parameters BLOB NOT NULL, trained_on JSON NOT NULL, created_at BIGINT NOT NULL,
    UNIQUE (name, version))"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "store")
    yield journal
    journal.close()


def new(name: str = "learned", parameters: bytes = b"abc", **trained_on: int) -> NewPolicy:
    return NewPolicy(name, parameters, f"sha of {parameters!r}", trained_on, {"gain": 0.5}, created_at=1)


def test_versions_are_counted_by_name(journal: Journal) -> None:
    with journal.write() as connection:
        made = [policies.insert_policy(connection, new(name)) for name in ("learned", "torch", "learned")]
    assert [(row.name, row.version) for row in made] == [("learned", 1), ("torch", 1), ("learned", 2)]
    with journal.read() as connection:
        assert policies.policy_rows(connection) == made[::-1]
        assert policies.policy_rows(connection, "torch") == [made[1]]
        assert policies.parameters_of(connection, "learned", 2) == b"abc"
        with pytest.raises(NotFound, match="no policy learned@3"):
            policies.policy_row(connection, "learned", 3)


def test_at_most_one_version_of_a_policy_is_active(journal: Journal) -> None:
    with journal.write() as connection:
        for name in ("learned", "learned", "torch"):
            policies.insert_policy(connection, new(name))
        policies.set_active(connection, "torch", 1)
        for version in (1, 2):
            policies.set_active(connection, "learned", version)
    with journal.look() as reader:
        assert [policies.active_version(reader, name) for name in ("learned", "torch", "none")] == [2, 1, None]
    with journal.write() as connection:
        policies.set_active(connection, "learned", None)
        assert policies.active_row(connection, "learned") is None
        assert policies.active_row(connection, "torch") is not None


def test_old_inactive_versions_lose_what_is_large(journal: Journal) -> None:
    with journal.write() as connection:
        for n in range(6):
            policies.insert_policy(connection, new(parameters=bytes([n + 1]), **{"7": n + 1}))
        policies.set_active(connection, "learned", 1)
        assert policies.drop_old_parameters(connection, "learned", 2) == 3
        assert policies.drop_old_parameters(connection, "learned", 2) == 0
        found = policies.policy_rows(connection)
    assert [(row.version, row.size) for row in found] == [(6, 1), (5, 1), (4, 0), (3, 0), (2, 0), (1, 1)]
    assert [row.trained_on for row in found[2:4]] == [{}, {}]
    assert [row.metrics for row in found] == [{"gain": 0.5}] * 6


def test_versions_that_learned_from_a_namespace_are_found(journal: Journal) -> None:
    with journal.write() as connection:
        for learned in ({"7": 3}, {"7": 3, "8": 1}, {"71": 4}, {"8": 2}):
            policies.insert_policy(connection, new(**learned))
        policies.set_active(connection, "learned", 4)
        assert policies.forget_namespace(connection, 9, now=5) == 0
        assert policies.forget_namespace(connection, 8, now=5) == 2
        rows = policies.policy_rows(connection)
        (said, forgotten) = policies.ledger_rows(connection, 10)
        assert policies.forget_namespace(connection, 8, now=6) == 0
    assert [(r.version, r.size, r.active) for r in rows] == [(4, 0, False), (3, 3, True), (2, 0, False), (1, 3, False)]
    assert (rows[0].trained_on, rows[0].metrics, rows[0].sha256) == ({}, {}, "")
    assert (said.event, said.numbers["version"]) == (Event.ACTIVATED, 3)
    assert (forgotten.event, forgotten.numbers) == (Event.FORGOTTEN, {"versions": 2})


def test_the_rules_take_over_where_all_versions_learned_from_a_namespace(journal: Journal) -> None:
    with journal.write() as connection:
        policies.insert_policy(connection, new(**{"7": 1}))
        policies.set_active(connection, "learned", 1)
        policies.forget_namespace(connection, 7, now=5)
        assert policies.active_row(connection, "learned") is None


def test_a_store_of_version_4_gets_the_columns_of_today(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("DROP TABLE policies")
        raw.execute(OF_VERSION_4)
        raw.execute("UPDATE meta SET value = '4' WHERE name = 'schema_version'")
    raw.close()
    journal = Journal(tmp_path)
    with journal.write() as connection:
        assert journal.meta(connection, "schema_version") == str(schema.SCHEMA_VERSION)
        assert policies.insert_policy(connection, new()).version == 1
        assert connection.scalar(select(schema.policies.c.active)) is False
    journal.close()
