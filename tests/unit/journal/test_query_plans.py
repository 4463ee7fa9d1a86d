"""What a write looks up, and what is read of a few records, must not cost more the more a namespace holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from automem_agents.journal import Journal, records

pytestmark = pytest.mark.any_index


@pytest.mark.parametrize(
    ("look_up", "index"),
    [
        (lambda connection: records.live_with_key(connection, 1, "home"), "records_by_key"),
        (lambda connection: records.rows_by_seq(connection, 1, range(1, 40)), "records USING INTEGER PRIMARY KEY"),
        (lambda connection: records.vectors_by_seq(connection, 1, range(1, 40)), "records USING INTEGER PRIMARY KEY"),
        (lambda connection: records.live_by_seq(connection, 1, range(1, 40)), "records USING INTEGER PRIMARY KEY"),
    ],
)
def test_a_look_up_uses_its_own_index(tmp_path: Path, look_up: Callable[[Connection], object], index: str) -> None:
    journal = Journal(tmp_path / "memory")
    asked: list[str] = []
    with journal.read() as connection:
        raw = connection.connection.driver_connection
        raw.set_trace_callback(asked.append)
        look_up(connection)
        raw.set_trace_callback(None)
        (statement,) = asked
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
        assert any(index in row.detail for row in plan), plan
    journal.close()
