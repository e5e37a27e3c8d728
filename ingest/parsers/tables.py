"""Tables as Markdown, one row a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RULE = "---"
MAX_COLUMNS = 1024


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that may span columns and rows."""

    text: str
    columns: int = 1
    rows: int = 1


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table whose first row is the header; columns empty everywhere are left out."""
    width = max((len(row) for row in rows), default=0)
    filled = [
        [cell.replace("|", "/").replace("\n", " ").strip() for cell in row] + [""] * (width - len(row)) for row in rows
    ]
    columns = [column for column in range(width) if any(row[column] for row in filled)]
    lines = ["| " + " | ".join(row[column] for column in columns) + " |" for row in filled]
    return "\n".join([lines[0], "|" + f" {RULE} |" * len(columns), *lines[1:]]) if columns else ""


def spread_cells(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """Return a grid in which a cell's text stands in every place that it spans, so that each row reads alone."""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for row in rows:
        line: list[str] = []
        cells = iter(row)
        while len(line) < MAX_COLUMNS:
            if len(line) in hanging:
                left, text = hanging.pop(len(line))
                if left > 1:
                    hanging[len(line)] = (left - 1, text)
                line.append(text)
                continue
            cell = next(cells, None)
            if cell is None:
                break
            for _ in range(max(1, min(cell.columns, MAX_COLUMNS - len(line)))):
                if cell.rows > 1:
                    hanging[len(line)] = (cell.rows - 1, cell.text)
                line.append(cell.text)
        grid.append(line)
    return grid
