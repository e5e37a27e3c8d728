"""Questions over made-up tables of figures, for the reader: which row, which year, whose report.

Articles hold few tables, and a reader trained on articles gives up on them. Tables, companies and figures here are
drawn at random; row names and what people call them stand in `table_questions.toml`. A question is unanswerable where
its row, its year or its company is not the table's.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SYLLABLES = tuple(re.findall("[A-Z][a-z]+", "AlBarCorDanElFenGarHolIsJorKelLumMarNorOrPelQuinRosSalTorUlVerWesYarZan"))
_ENDINGS = ("Corporation", "Inc.", "Company", "Group", "Holdings", "plc", "AG", "Industries", "Systems", "")
_REPORTS = ("{name} {year} Annual Report", "{name} 10-K {year}", "{name} › {statement}", "{name} Form 10-Q {quarter}")
_ASKED = (
    "What was {name}'s {row} in {when}?",
    "What is the {when} {row} for {name}?",
    "What is {name}'s {when} {row} (in USD millions)?",
    "How much {row} did {name} report in {when}?",
    "What is the year end {when} {row} for {name}? Answer in USD millions.",
    "Using the {statement}, what is the {when} amount of {row} for {name}?",
    "what was the {row} for {when}",
    "Has {name}'s {row} increased in {when}?",
    "By how much did {name}'s {row} change between {before} and {when}?",
)
_MEASURED = (
    "What is the {when} {measure} for {name}? Round your answer to two decimal places.",
    "Does {name} have an improving {measure} as of {when}?",
    "What was {name}'s {measure} in {when}?",
    "Based on the {statement}, what is {name}'s {when} {measure}?",
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text, with the place of each row."""

    name: str
    short: str
    statement: str
    years: Sequence[int]
    quarterly: bool
    text: str
    rows: Mapping[str, tuple[int, int]]
    """Row name to the characters of its line."""
    cells: Mapping[tuple[str, int], tuple[int, int]]
    """Row name and year to the characters of the figure."""

    def when(self, year: int, chance: random.Random) -> str:
        """Name a year as people do."""
        return chance.choice((f"FY{year}", f"FY {year}", str(year), f"fiscal {year}", f"FY{year % 100:02d}"))


def make_rows(count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield rows for `tuning/train_reader.py`, about as many with an answer as without."""
    known = tomllib.loads((Path(__file__).parent / "table_questions.toml").read_text(encoding="utf-8"))
    made = 0
    while made < count:
        table = _table(known["statements"], chance)
        for row in _questions(table, known, chance):
            made += 1
            yield row


def _table(statements: Mapping[str, Mapping[str, Sequence[str]]], chance: random.Random) -> Table:
    short = "".join(chance.sample(_SYLLABLES, chance.choice((2, 2, 3)))).capitalize()
    name = f"{short} {chance.choice(_ENDINGS)}".strip()
    statement = chance.choice(sorted(statements))
    labels = list(statements[statement])
    kept = [label for label in labels if chance.random() < 0.75] or labels[:2]
    last = chance.randint(2012, 2025)
    years = [last - back for back in range(chance.choice((2, 2, 3)))]
    heading = chance.choice(_REPORTS).format(name=name, year=last, statement=statement, quarter=f"Q2 {last}")
    piped, dollars = chance.random() < 0.6, chance.random() < 0.5
    top = chance.choice((f"{statement} (Millions)", "(in millions)", "Year ended December 31", statement))
    text = f"{heading}\n" + (f"{statement}\n" if chance.random() < 0.4 else "")
    text += f"| {top} | " + " | ".join(map(str, years)) + " |\n" if piped else f"{top} {' '.join(map(str, years))}\n"
    rows, cells = {}, {}
    for label in kept:
        start = len(text)
        text += f"| {label} |" if piped else label
        for year in years:
            figure = _figure(label, chance)
            text += (" $" if dollars and not piped else " ") + (" " if dollars and not piped else "")
            cells[label, year] = (len(text), len(text) + len(figure))
            text += figure + (" |" if piped else "")
        rows[label] = (start, len(text))
        text += "\n"
    return Table(name, short, statement, years, False, text.rstrip("\n"), rows, cells)


def _figure(label: str, chance: random.Random) -> str:
    if "(%)" in label or "rate" in label:
        return f"{chance.uniform(1, 99):.1f}%"
    if "per " in label or "days" in label:
        return f"{chance.uniform(0.1, 40):.2f}"
    value = round(10 ** chance.uniform(1, 5))
    return f"({value:,})" if chance.random() < 0.2 else f"{value:,}"


def _questions(table: Table, known: Mapping[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield two questions with an answer and three without: another row, another year, another company."""
    names = known["statements"][table.statement]
    present = sorted(table.rows)
    for label in chance.sample(present, min(2, len(present))):
        year = chance.choice(table.years)
        yield _row(table, _ask(table, chance.choice(names[label]), year, chance), [label], year)
    absent = [row for row in names if row not in table.rows]
    others = [(label, chance.choice(absent))] if absent else []
    foreign = chance.choice(sorted(set(known["statements"]) - {table.statement}))
    others.append((label, chance.choice(sorted(known["statements"][foreign]))))
    for _, missing in others[: chance.choice((1, 2))]:
        words = (names.get(missing) or known["statements"][foreign][missing])[0]
        if not any(words.lower() in row.lower() for row in table.rows):
            yield _row(table, _ask(table, words, chance.choice(table.years), chance), [], 0)
    far = chance.choice((table.years[-1] - chance.randint(2, 5), table.years[0] + chance.randint(1, 4)))
    yield _row(table, _ask(table, chance.choice(names[label]), far, chance, dated=True), [], 0)
    stranger = "".join(chance.sample(_SYLLABLES, 3)).capitalize()
    yield _row(table, _ask(table, chance.choice(names[label]), table.years[0], chance, name=stranger), [], 0)
    yield from _measures(table, known["measures"], chance)


def _measures(table: Table, measures: Mapping[str, Sequence[str]], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield a question for a ratio whose parts stand in the table, and one whose parts do not."""
    year = table.years[0]
    ready = [name for name, parts in measures.items() if any(part in table.rows for part in parts)]
    if ready and chance.random() < 0.6:
        measure = chance.choice(ready)
        parts = [part for part in measures[measure] if part in table.rows]
        yield _row(table, _measured(table, measure, year, chance), parts, None)
    missing = [name for name, parts in measures.items() if not any(part in table.rows for part in parts)]
    if missing and chance.random() < 0.3:
        yield _row(table, _measured(table, chance.choice(missing), year, chance), [], 0)


def _ask(
    table: Table, row: str, year: int, chance: random.Random, *, name: str | None = None, dated: bool = False
) -> str:
    usable = [text for text in _ASKED if (name is None or "{name}" in text) and not (dated and "{before}" in text)]
    return chance.choice(usable).format(
        name=name or chance.choice((table.name, table.short)),
        row=row,
        when=table.when(year, chance),
        before=table.when(year - 1, chance),
        statement=table.statement.lower(),
    )


def _measured(table: Table, measure: str, year: int, chance: random.Random) -> str:
    return chance.choice(_MEASURED).format(
        name=chance.choice((table.name, table.short)),
        measure=measure,
        when=table.when(year, chance),
        statement=table.statement.lower(),
    )


def _row(table: Table, question: str, rows: Sequence[str], year: int | None) -> dict[str, Any]:
    """Return a reader's row; the figure is the answer where one row of one year is asked for."""
    spans = [list(table.cells[rows[0], year])] if rows and year is not None else None if rows else []
    return {
        "question": question,
        "context": table.text,
        "spans": spans,
        "support": [list(table.rows[row]) for row in rows],
        "answerable": int(bool(rows)),
        "group": f"table {table.short}",
        "source": "table",
    }
