"""What a filter on a document's attributes compares: one text for a value, the same on every database.

Left to themselves they differ: SQLite makes 1 of `true`, and reads a quote in a name as the end of it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class attribute_text(FunctionElement[str]):
    """The text of an attribute of a JSON object: a string itself, a number or boolean as JSON writes it, else NULL.

    Takes the column and the attribute's name.
    """

    type = String()
    inherit_cache = True


@compiles(attribute_text, "sqlite")
def _on_sqlite(element: attribute_text, compiler: Any, **options: Any) -> str:
    column, name = (compiler.process(clause, **options) for clause in element.clauses)
    value = "CASE WHEN type IN ('true', 'false') THEN type WHEN type NOT IN ('array', 'object') THEN atom END"
    return f"(SELECT CAST({value} AS TEXT) FROM json_each({column}) WHERE key = {name})"


@compiles(attribute_text, "postgresql")
def _on_postgresql(element: attribute_text, compiler: Any, **options: Any) -> str:
    column, name = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CASE WHEN json_typeof({column} -> {name}) NOT IN ('array', 'object') THEN {column} ->> {name} END)"
