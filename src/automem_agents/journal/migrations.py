"""Bringing an older store forward; a newer one is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, inspect, select, update

from automem_agents.errors import SchemaTooNew, StoreUnavailable
from automem_agents.journal import schema

Migration = Callable[[Connection], None]


def _fewer_index_pages(connection: Connection) -> None:
    """Working sets find fingerprints by now, and few records have a key."""
    connection.exec_driver_sql("DROP INDEX records_by_fingerprint")
    connection.exec_driver_sql("DROP INDEX records_by_key")
    by_key = next(index for index in schema.records.indexes if index.name == "records_by_key")
    by_key.create(connection)


def _signals_of_turns_and_items(connection: Connection) -> None:
    """Signals belong to the turn that they were seen in, and say what they are about; items stand in trees."""
    connection.exec_driver_sql("ALTER TABLE signals ADD COLUMN turn_seq INTEGER REFERENCES turns (seq)")
    connection.exec_driver_sql("ALTER TABLE signals ADD COLUMN name VARCHAR NOT NULL DEFAULT ''")
    connection.exec_driver_sql("UPDATE signals SET kind = 'exception' WHERE kind = 'run_failed'")
    by_turn = next(index for index in schema.signals.indexes if index.name == "ix_signals_turn_seq")
    by_turn.create(connection)
    for table in (schema.item_vectors, schema.items):  # no version that was released put anything into them
        table.drop(connection)
    for table in (schema.items, schema.item_vectors):
        table.create(connection)


def _credits_and_learners(connection: Connection) -> None:
    """What is learned from, and what is known from it."""
    for table in (schema.credits, schema.learners):
        table.create(connection)


def _lineage_of_policies(connection: Connection) -> None:
    """Versions of policies say where they come from and which one is active."""
    schema.policies.drop(connection)  # no version that was released put anything into it
    schema.policies.create(connection)


def _by_run(connection: Connection) -> None:
    """What was decided in a run, and what was said of it, is found without reading a whole namespace."""
    for table, name in ((schema.decisions, "decisions_by_run"), (schema.feedback, "feedback_by_run")):
        next(index for index in table.indexes if index.name == name).create(connection, checkfirst=True)


def _skipped_records(connection: Connection) -> None:
    """What was skipped is kept among the records; a credit of a WRITE says what it is compared with."""
    connection.exec_driver_sql("DROP TABLE IF EXISTS shadow")  # no version that was released put anything into it
    if "upto" not in {column["name"] for column in inspect(connection).get_columns("credits")}:
        connection.exec_driver_sql("ALTER TABLE credits ADD COLUMN upto INTEGER")


# version n -> the step that makes it n + 1
MIGRATIONS: Mapping[int, Migration] = {
    1: _fewer_index_pages,
    2: _signals_of_turns_and_items,
    3: _credits_and_learners,
    4: _lineage_of_policies,
    5: _by_run,
    6: _skipped_records,
}


def migrate(
    connection: Connection, migrations: Mapping[int, Migration] = MIGRATIONS, target: int = schema.SCHEMA_VERSION
) -> None:
    """Create the tables of a new store, or bring an old one to ``target`` in the caller's transaction.

    Raises:
        SchemaTooNew: if the store was written by a newer version.
        StoreUnavailable: if the file is some other database.
    """
    present = set(inspect(connection).get_table_names())
    if not present:
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.meta).values(name="schema_version", value=str(target)))
        return
    if "meta" not in present or "records" not in present:
        raise StoreUnavailable("this database is not an automem-agents store; choose another folder")
    found = int(connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == "schema_version")) or 0)
    if found > target:
        raise SchemaTooNew(
            f"this store has schema version {found}, this package knows {target}: upgrade automem-agents"
        )
    for version in range(found, target):
        migrations[version](connection)
    if found < target:
        connection.execute(update(schema.meta).where(schema.meta.c.name == "schema_version").values(value=str(target)))
