"""Statements that are compiled once and then run by the driver itself.

SQLAlchemy's own work at each call is ten times what SQLite needs for a small statement, and a turn has to be quick.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import starmap
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import (
    JSON,
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    Update,
    bindparam,
    insert,
)
from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]
RowT = TypeVar("RowT", bound=tuple[Any, ...])


class Reader(NamedTuple):
    """A connection of the driver's, outside of any transaction: each statement sees what is committed when it runs."""

    dialect: Dialect
    driver_connection: Any


Connected = Connection | Reader


class _Plan(NamedTuple):
    """SQL with its parameters in order, those that are fixed, and which values are converted on the way in and back."""

    sql: str
    names: tuple[str, ...]
    pick: Callable[[Mapping[str, object]], tuple[object, ...]]
    fixed: Mapping[str, object]
    convert: Mapping[int, Convert]
    convert_back: Mapping[int, Convert]

    def bound(self, values: Mapping[str, object]) -> Sequence[object]:
        """Return the values of the parameters, in order."""
        picked = self.pick({**self.fixed, **values} if self.fixed else values)
        return picked if not self.convert else _converted(picked, self.convert)


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
        return int(_driver(connection).execute(plan.sql, plan.bound(values)).lastrowid)

    def many(self, connection: Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """Insert rows whose ``seq`` nobody asks for."""
        plan = self._plan(connection.dialect)
        bound = [plan.bound(values) for values in rows]
        if bound:
            _driver(connection).executemany(plan.sql, bound)

    def columns(self, connection: Connection, values: Mapping[str, Sequence[object]]) -> None:
        """Insert many rows whose values are given column by column: a dictionary for each would cost as much as SQLite."""
        plan = self._plan(connection.dialect)
        columns = [
            [convert(value) for value in values[name]] if (convert := plan.convert.get(i)) else values[name]
            for i, name in enumerate(plan.names)
        ]
        _driver(connection).executemany(plan.sql, zip(*columns, strict=True))


class PreparedUpdate:
    """An UPDATE with fixed parameters.

    Args:
        statement: what to run.
    """

    def __init__(self, statement: Update) -> None:
        self._plan = _once(lambda dialect: _compile(statement, dialect, None))

    def many(self, connection: Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """Run it with the values of each row."""
        plan = self._plan(connection.dialect)
        _driver(connection).executemany(plan.sql, [plan.bound(values) for values in rows])


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
        return self._run(connection, plan, plan.bound(values))

    def first(self, connection: Connected, **values: object) -> RowT | None:
        """Return the first row, or None."""
        return next(iter(self.all(connection, **values)), None)

    def with_keys(self, connection: Connected, keys: Sequence[int], values: Mapping[str, object]) -> list[RowT]:
        """Return the rows of a statement whose last parameters are ``keys``."""
        plan = self._plan(connection.dialect)
        named = {**plan.fixed, **values}
        first = [named[name] for name in plan.names[: -len(keys)]]
        return self._run(connection, plan, (*first, *keys))

    def _run(self, connection: Connected, plan: _Plan, parameters: Sequence[object]) -> list[RowT]:
        found: Iterable[Sequence[Any]] = _driver(connection).execute(plan.sql, parameters).fetchall()
        if plan.convert_back:
            found = [_converted(row, plan.convert_back) for row in found]
        return list(starmap(self._row, found))


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
            found += self._sized(size).with_keys(connection, chunk, values)
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
    binds = [compiled.binds[name] for name in names]
    return _Plan(
        sql=str(compiled),
        names=names,
        pick=_picker(names),
        fixed={name: bind.value for name, bind in zip(names, binds, strict=True) if not bind.required},
        convert={i: _to_driver(bind.type) for i, bind in enumerate(binds) if isinstance(bind.type, JSON | Boolean)},
        convert_back={i: _from_json for i, column in enumerate(columns) if isinstance(column.type, JSON)},
    )


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def _to_driver(kind: TypeEngine[Any]) -> Convert:
    return _to_json if isinstance(kind, JSON) else int


def _to_json(value: Any) -> str:
    if isinstance(value, tuple):
        return _tuple_to_json(value)
    return "{}" if value == {} else json.dumps(value)


@lru_cache(maxsize=256)  # the same few legal actions, over and over
def _tuple_to_json(value: tuple[str, ...]) -> str:
    return json.dumps(value)


def _from_json(value: str) -> Any:
    return {} if value == "{}" else json.loads(value)


def _converted(row: Sequence[Any], convert: Mapping[int, Convert]) -> list[Any]:
    values = list(row)
    for i, one in convert.items():
        values[i] = one(values[i])
    return values


def _driver(connection: Connected) -> Any:
    if isinstance(connection, Reader):
        return connection.driver_connection
    return connection.connection.driver_connection
