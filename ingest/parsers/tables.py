"""Tables as Markdown, one row a line."""

from __future__ import annotations

from collections.abc import Sequence

RULE = "---"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table whose first row is the header; columns empty everywhere are left out."""
    width = max((len(row) for row in rows), default=0)
    filled = [
        [cell.replace("|", "/").replace("\n", " ").strip() for cell in row] + [""] * (width - len(row)) for row in rows
    ]
    columns = [column for column in range(width) if any(row[column] for row in filled)]
    lines = ["| " + " | ".join(row[column] for column in columns) + " |" for row in filled]
    return "\n".join([lines[0], "|" + f" {RULE} |" * len(columns), *lines[1:]]) if columns else ""
