"""Reading evaluation files: BEIR sets, question sets, conversations. Strict on shape, tolerant of absent fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from core.errors import InvalidInput
from core.types import Message

T = TypeVar("T")
ANSWERABILITY: Mapping[str, bool | None] = {
    "ANSWERABLE": True,
    "PARTIAL": True,
    "UNANSWERABLE": False,
    "UNDERSPECIFIED": False,
    "CONVERSATIONAL": None,
}
"""Labels of conversations, and whether the documents answer what they stand at."""


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """One document of a BEIR corpus; `fields` holds what else the row says."""

    id: str
    title: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """Where the answer stands: a document and, where the row names them, a 1-based page, a section, the words."""

    document: str
    page: int | None = None
    section: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question with what is known about its answer."""

    id: str
    question: str
    answers: tuple[str, ...]
    answerable: bool | None
    evidence: tuple[EvidenceRef, ...]
    history: tuple[Message, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def documents(self) -> tuple[str, ...]:
        """The documents that hold the answer, each once."""
        return tuple(dict.fromkeys(reference.document for reference in self.evidence))


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file.

    Raises:
        InvalidInput: the file cannot be read, or a line is not a JSON object.
    """
    return (row for _, row in numbered_rows(path))


def rows_with(path: Path, *fields: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file, which must all have these fields.

    Raises:
        InvalidInput: the file cannot be read, a line is not a JSON object, or one has not all of the fields.
    """
    rows = []
    for number, row in numbered_rows(path):
        if missing := [name for name in fields if name not in row]:
            raise InvalidInput(f"{path}:{number} has no {missing[0]!r}")
        rows.append(row)
    return rows


def numbered_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file with the number of their line.

    Raises:
        InvalidInput: the file cannot be read, or a line is not a JSON object.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _object(line, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{where} is not JSON: {error.msg}; write one JSON object a line (JSON Lines)") from error
    if not isinstance(row, dict):
        raise InvalidInput(f"{where} is not a JSON object")
    return row


def read_corpus(path: Path) -> list[CorpusRow]:
    """Read a BEIR corpus; `_id` may be called `id`."""
    return [
        CorpusRow(
            id=_identifier(row, path),
            title=str(row.get("title") or ""),
            text=str(row.get("text") or ""),
            fields={key: value for key, value in row.items() if key not in {"_id", "title", "text"}},
        )
        for row in read_rows(path)
    ]


def read_queries(path: Path) -> dict[str, str]:
    """Read BEIR queries: id → text."""
    return {_identifier(row, path): str(row.get("text") or row.get("question") or "") for row in read_rows(path)}


def _identifier(row: Mapping[str, Any], path: Path) -> str:
    value = row.get("_id", row.get("id"))
    if value is None:
        raise InvalidInput(f"{path} has a row without _id")
    return str(value)


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Read relevance grades, query id → document id → grade.

    A line is `query document grade` or TREC's `query 0 document grade`; a first line whose grade is no number is
    a header.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}") from error
    grades: dict[str, dict[str, int]] = {}
    for number, line in enumerate(lines, 1):
        cells = (line.split("\t") if "\t" in line else line.split()) if line.strip() else []
        if not cells or (number == 1 and not _is_number(cells[-1])):
            continue
        if len(cells) not in {3, 4} or not _is_number(cells[-1]):
            raise InvalidInput(f"{path}:{number} is not `query document grade`")
        grades.setdefault(cells[0].strip(), {})[cells[-2].strip()] = int(float(cells[-1]))
    return grades


def _is_number(cell: str) -> bool:
    try:
        return isfinite(float(cell))
    except ValueError:
        return False


def read_cases(path: Path) -> list[Case]:
    """Read a question set of any of the formats named in `docs/measuring.md`.

    Raises:
        InvalidInput: the file cannot be read, or a row is not one of them.
    """
    return [_case(row, number, f"{path}:{line}") for number, (line, row) in enumerate(numbered_rows(path), 1)]


def _case(row: Mapping[str, Any], number: int, where: str) -> Case:
    try:
        return _read_case(row, number)
    except (InvalidInput, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        why = str(error) if isinstance(error, InvalidInput) else f"is not as docs/measuring.md says: {error!r}"
        raise InvalidInput(f"{where} {why}") from error


def _read_case(row: Mapping[str, Any], number: int) -> Case:
    messages = [m for m in row.get("messages") or [] if m.get("role") in {"user", "assistant"}]
    asked = row.get("question") or (messages[-1]["content"] if messages else None)
    if asked is not None and not isinstance(asked, str):
        raise InvalidInput("has a question that is no text")
    if not (asked and asked.strip()):
        raise InvalidInput("has no question")
    if messages and messages[-1]["role"] == "user":
        messages.pop()
    given = row.get("answers", row.get("answer"))
    answers = tuple(map(_answer, listed(given)))
    evidence = _evidence(row)
    return Case(
        id=str(row.get("id", row.get("_id", number))),
        question=asked,
        answers=answers,
        answerable=_answerable(row, (bool(evidence) or None) if given is None else bool(answers)),
        evidence=evidence,
        history=tuple(Message(message["role"], str(message["content"])) for message in messages),
        fields=row,
    )


def _answer(value: Any) -> str:
    """Read a gold answer; what is neither text nor number would be found in no answer."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"has an answer that is no text: {value!r}")
    return str(value)


def _answerable(row: Mapping[str, Any], otherwise: bool | None) -> bool | None:
    """Read whether the documents answer the question; `None` where that is not known, or it is small talk."""
    flag = row.get("answerable")
    if flag is not None:
        if flag not in (True, False):  # a text such as "false" would count as true
            raise InvalidInput(f"has answerable {flag!r}; it must be true or false, without quotes")
        return bool(flag)
    label = str(row.get("answerability") or "").upper()
    if not label:
        return otherwise
    if label not in ANSWERABILITY:
        raise InvalidInput(f"has answerability {label!r}; it must be one of {', '.join(ANSWERABILITY)}")
    return ANSWERABILITY[label]


def _evidence(row: Mapping[str, Any]) -> tuple[EvidenceRef, ...]:
    """Gather evidence from `evidence`, else from `docs`, else from `doc`; the row's section goes with its document."""
    references = [
        EvidenceRef(
            document=str(item["doc"]),
            page=_page(item),
            section=_section(item),
            text=str(item.get("text") or "") or None,
        )
        for item in map(_as_object, listed(row.get("evidence")))
    ]
    if not references:
        named = listed(row.get("docs")) or listed(row.get("doc"))
        references = [EvidenceRef(str(name), _page(row), _section(row)) for name in named]
    return tuple(references)


def _as_object(item: Any) -> Mapping[str, Any]:
    """Return evidence as an object; a text alone names a document."""
    if isinstance(item, str):
        return {"doc": item}
    if not isinstance(item, dict) or not item.get("doc"):
        raise InvalidInput("has evidence that is neither an object with `doc` nor a document's name")
    return item


def _page(item: Mapping[str, Any]) -> int | None:
    page = item.get("page")
    if page is None or page == "":
        return None
    if isinstance(page, bool) or not (isinstance(page, int | float) or str(page).isdecimal()):
        raise InvalidInput(f"has page {page!r}; it must be a number")
    return int(page)


def _section(item: Mapping[str, Any]) -> str | None:
    section = item.get("section")
    return None if section is None or section == "" else str(section)


def listed(value: Any) -> list[Any]:
    """Return a field's values, which may be a list, one alone or none."""
    return value if isinstance(value, list) else [] if value is None else [value]


def limited(items: Sequence[T], limit: int | None) -> list[T]:
    """Return at most `limit` items spread evenly over the whole, so that a part stands for all of it."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[position * len(items) // limit] for position in range(limit)]
