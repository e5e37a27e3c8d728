"""Statements that every search runs: rendered once, afterwards handed to the driver as they are.

Finding a statement of fifty conditions in SQLAlchemy's cache and filling in its list of keys takes ten times as long as
SQLite takes to run it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, SelectBase
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Convert = Callable[[Any], Any]


class Prepared:
    """A selection with, at most, one list of keys (an expanding parameter named `keys`) and single values by name.

    A list is filled up to a power of two with its last key, so that few forms are ever rendered.
    """

    def __init__(self, statement: SelectBase) -> None:
        self._statement = statement
        self._rendered: dict[tuple[str, int], _Rendered] = {}

    def rows(self, session: Session, keys: Sequence[int] = (), /, **values: Any) -> list[Any]:
        """Return the rows as named tuples, read in the session's transaction."""
        connection = session.connection()
        filled = list(keys)
        filled += filled[-1:] * (_power_of_two(len(keys)) - len(keys))
        form = (connection.dialect.name, len(filled))
        rendered = self._rendered.get(form)
        if rendered is None:
            given = {"keys": filled, **values} if filled else values
            rendered = self._rendered[form] = _Rendered.of(self._statement, connection.dialect, given)
        return rendered.read(_fetched(connection, rendered.sql, rendered.parameters(filled, values)))


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The text for one dialect and so many keys, and how values go in and come out."""

    sql: str
    constants: Mapping[str, Any]
    keys: Sequence[str]
    order: Sequence[str] | None
    """The names of the parameters where the driver takes them by place."""
    write: Mapping[str, Convert]
    columns: Sequence[Convert | None]
    row: Any

    @classmethod
    def of(cls, statement: SelectBase, dialect: Dialect, values: Mapping[str, Any]) -> _Rendered:
        compiled = statement.compile(dialect=dialect)
        state = compiled.construct_expanded_state(dict(values))
        write: dict[str, Convert] = {}
        for name, bind in compiled.binds.items():
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if convert is not None:
                write |= dict.fromkeys(state.parameter_expansion.get(name, (name,)), convert)
        columns = statement.selected_columns
        return cls(
            sql=state.statement,
            constants={name: _converted(write.get(name), value) for name, value in state.parameters.items()},
            keys=state.parameter_expansion.get("keys", ()),
            order=state.positiontup,
            write=write,
            columns=[one.type.dialect_impl(dialect).result_processor(dialect, None) for one in columns],
            row=namedtuple("Row", [one.key or "" for one in columns], rename=True),
        )

    def parameters(self, keys: Sequence[int], values: Mapping[str, Any]) -> Any:
        filled = {**self.constants, **dict(zip(self.keys, keys, strict=True))}
        filled |= {name: _converted(self.write.get(name), value) for name, value in values.items()}
        return filled if self.order is None else tuple(filled[name] for name in self.order)

    def read(self, found: Iterable[Any]) -> list[Any]:
        changed = [(at, convert) for at, convert in enumerate(self.columns) if convert is not None]
        rows = []
        for row in found:
            cells = list(row)
            for at, convert in changed:
                cells[at] = convert(cells[at])
            rows.append(self.row._make(cells))
        return rows


def _fetched(connection: Connection, sql: str, parameters: Any) -> list[Any]:
    """Return what the driver gives, without SQLAlchemy's result around it."""
    with driver_cursor(connection, sql, parameters) as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


@contextmanager
def driver_cursor(connection: Connection, sql: str, parameters: Any) -> Iterator[Any]:
    """Yield a cursor of the driver's in the connection's transaction; its errors are told as SQLAlchemy tells them."""
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except connection.dialect.loaded_dbapi.Error as error:
        failed = connection.dialect.loaded_dbapi.Error
        gone = connection.dialect.is_disconnect(error, connection.connection.driver_connection, cursor)
        raise DBAPIError.instance(
            sql, None, error, failed, hide_parameters=True, connection_invalidated=gone, dialect=connection.dialect
        ) from error
    finally:
        cursor.close()


def _converted(convert: Convert | None, value: Any) -> Any:
    return value if convert is None else convert(value)


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length() if count else 0
