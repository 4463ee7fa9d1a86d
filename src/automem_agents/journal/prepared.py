"""Statements that are compiled once and then run by the driver itself.

SQLAlchemy's own work at each call is ten times what SQLite needs for a small statement, and a turn has to be quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import starmap
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import BindParameter, ColumnElement, Connection, Dialect, Select, Table, bindparam, insert
from sqlalchemy.engine.interfaces import DBAPICursor

Convert = Callable[[Any], Any]
RowT = TypeVar("RowT", bound=tuple[Any, ...])


class Reader(NamedTuple):
    """A connection of the driver's, outside of any transaction: each statement sees what is committed when it runs."""

    dialect: Dialect
    driver_connection: Any


Connected = Connection | Reader


class _Plan(NamedTuple):
    """SQL with its parameters in order, those that are fixed, and how values are converted on the way in and back."""

    sql: str
    names: tuple[str, ...]
    fixed: Mapping[str, object]
    convert: Mapping[str, Convert]
    convert_back: Mapping[int, Convert]


class PreparedInsert:
    """An INSERT of whole rows.

    Args:
        table: where they go; ``seq`` is given by the database.
    """

    def __init__(self, table: Table) -> None:
        keys = [column.name for column in table.columns if column.name != "seq"]
        self._plan = _once(lambda dialect: _compile(insert(table), dialect, keys))

    def one(self, connection: Connection, values: Mapping[str, object]) -> int:
        """Insert a row and return its ``seq``."""
        plan = self._plan(connection.dialect)
        return int(_cursor(connection, plan, values).lastrowid)

    def many(self, connection: Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """Insert rows whose ``seq`` nobody asks for."""
        plan = self._plan(connection.dialect)
        cursor = _raw(connection).cursor()
        cursor.executemany(plan.sql, [_bound(plan, values) for values in rows])


class PreparedSelect(Generic[RowT]):
    """A SELECT with fixed parameters.

    Args:
        statement: what to run.
        row: the NamedTuple that has its columns, in the same order; those at its end may be left to their defaults.
    """

    def __init__(self, statement: Select[Any], row: Callable[..., RowT]) -> None:
        self._row = row
        columns = list(statement.selected_columns)
        self._plan = _once(lambda dialect: _compile(statement, dialect, None, columns))

    def all(self, connection: Connected, **values: object) -> list[RowT]:
        """Return the rows."""
        plan = self._plan(connection.dialect)
        found: Iterable[Sequence[Any]] = _cursor(connection, plan, values).fetchall()
        if plan.convert_back:
            found = [_converted(plan, row) for row in found]
        return list(starmap(self._row, found))

    def first(self, connection: Connected, **values: object) -> RowT | None:
        """Return the first row, or None."""
        return next(iter(self.all(connection, **values)), None)


class PreparedLookup(Generic[RowT]):
    """A SELECT of the rows whose ``column`` is one of some integers.

    Args:
        statement: what to run; the condition on ``column`` is added.
        column: an integer key.
        row: the NamedTuple that has its columns, in the same order.
    """

    LARGEST = 512

    def __init__(self, statement: Select[Any], column: ColumnElement[int], row: Callable[..., RowT]) -> None:
        def sized(size: int) -> PreparedSelect[RowT]:
            keys: list[BindParameter[int]] = [bindparam(f"key{i}") for i in range(size)]
            return PreparedSelect(statement.where(column.in_(keys)), row)

        self._sized = lru_cache(sized)

    def all(self, connection: Connected, keys: Sequence[int], **values: object) -> list[RowT]:
        """Return the rows, in chunks; a chunk is filled up with its last key, so that few statements serve all."""
        found: list[RowT] = []
        for start in range(0, len(keys), self.LARGEST):
            chunk = [int(key) for key in keys[start : start + self.LARGEST]]
            size = 1 << (len(chunk) - 1).bit_length()
            chunk += chunk[-1:] * (size - len(chunk))
            named = {f"key{i}": key for i, key in enumerate(chunk)}
            found += self._sized(size).all(connection, **named, **values)
        return found


def _once(compiled: Callable[[Dialect], _Plan]) -> Callable[[Dialect], _Plan]:
    """Compile for each kind of database once."""
    plans: dict[str, _Plan] = {}

    def plan(dialect: Dialect) -> _Plan:
        if dialect.name not in plans:
            plans[dialect.name] = compiled(dialect)
        return plans[dialect.name]

    return plan


def _compile(statement: Any, dialect: Dialect, keys: list[str] | None, columns: Sequence[Any] = ()) -> _Plan:
    compiled = statement.compile(dialect=dialect, column_keys=keys)
    names = tuple(compiled.positiontup or ())
    kinds = {name: compiled.binds[name].type.dialect_impl(dialect) for name in names}
    to_driver = {name: kind.bind_processor(dialect) for name, kind in kinds.items()}
    back = {i: column.type.dialect_impl(dialect).result_processor(dialect, None) for i, column in enumerate(columns)}
    return _Plan(
        str(compiled),
        names,
        {name: compiled.binds[name].value for name in names if not compiled.binds[name].required},
        {name: convert for name, convert in to_driver.items() if convert},
        {i: convert for i, convert in back.items() if convert},
    )


def _raw(connection: Connected) -> Any:
    if isinstance(connection, Reader):
        return connection.driver_connection
    return connection.connection.driver_connection


def _bound(plan: _Plan, values: Mapping[str, object]) -> list[object]:
    convert = plan.convert
    if plan.fixed:
        values = {**plan.fixed, **values}
    return [convert[name](values[name]) if name in convert else values[name] for name in plan.names]


def _cursor(connection: Connected, plan: _Plan, values: Mapping[str, object]) -> DBAPICursor:
    cursor: DBAPICursor = _raw(connection).execute(plan.sql, _bound(plan, values))
    return cursor


def _converted(plan: _Plan, row: Sequence[Any]) -> list[Any]:
    values = list(row)
    for i, convert in plan.convert_back.items():
        values[i] = convert(values[i])
    return values
