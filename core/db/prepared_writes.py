"""Statements that every commit runs: rendered once, afterwards handed to the driver as they are.

Adding a row through SQLAlchemy takes several times as long as SQLite takes to write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from sqlalchemy import Column, Delete, Dialect, Insert, Table, Update
from sqlalchemy.orm import Session

from core.db.prepared import Convert, driver_cursor

Row = Mapping[str, Any]


class PreparedWrite:
    """An insertion, update or deletion whose values are given by name.

    A column that a row to insert leaves out gets the default of its table.
    """

    def __init__(self, statement: Insert | Update | Delete) -> None:
        self._statement = statement
        self._rendered: dict[str, _Rendered] = {}

    def run(self, session: Session, rows: Sequence[Row]) -> None:
        """Execute it once for each row, in the session's transaction."""
        connection = session.connection()
        rendered = self._for(connection.dialect)
        given = rendered.parameters(rows)
        with driver_cursor(connection, rendered.sql, given) as cursor:
            cursor.executemany(rendered.sql, given)

    def returned(self, session: Session, row: Row) -> int:
        """Execute it for one row and return the number that the statement returns."""
        connection = session.connection()
        rendered = self._for(connection.dialect)
        (given,) = rendered.parameters([row])
        with driver_cursor(connection, rendered.sql, given) as cursor:
            cursor.execute(rendered.sql, given)
            return int(cursor.fetchone()[0])

    def _for(self, dialect: Dialect) -> _Rendered:
        rendered = self._rendered.get(dialect.name)
        if rendered is None:
            rendered = self._rendered[dialect.name] = _Rendered.of(self._statement, dialect)
        return rendered


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The text for one dialect and how values go in."""

    sql: str
    names: Sequence[str]
    """Of the parameters, in their order."""
    by_place: bool
    """Whether the driver takes parameters by place, not by name."""
    write: Sequence[tuple[int, Convert]]
    defaults: Mapping[str, Callable[[], Any]]

    @classmethod
    def of(cls, statement: Insert | Update | Delete, dialect: Dialect) -> _Rendered:
        table = cast(Table, statement.table)
        columns = [one for one in table.c if one is not table.autoincrement_column]
        columns = columns if isinstance(statement, Insert) else []
        compiled = statement.compile(dialect=dialect, column_keys=[column.name for column in columns] or None)
        names = list(compiled.binds if compiled.positiontup is None else compiled.positiontup)
        converts = [compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        return cls(
            sql=compiled.string,
            names=names,
            by_place=compiled.positiontup is not None,
            write=[(at, convert) for at, convert in enumerate(converts) if convert is not None],
            defaults={column.name: default for column in columns if (default := _default(column)) is not None},
        )

    def parameters(self, rows: Iterable[Row]) -> list[Any]:
        made = {name: default() for name, default in self.defaults.items()}
        filled = []
        for row in rows:
            whole = {**made, **row} if made else row
            values = [whole[name] for name in self.names]
            for at, convert in self.write:
                values[at] = convert(values[at])
            filled.append(values if self.by_place else dict(zip(self.names, values, strict=True)))
        return filled


def _default(column: Column[Any]) -> Callable[[], Any] | None:
    """Return what makes a value for a row without one."""
    default: Any = column.default
    if default is None:
        return (lambda: None) if column.nullable else None
    if default.is_callable:
        return partial(default.arg, None)
    return (lambda: default.arg) if default.is_scalar else None
