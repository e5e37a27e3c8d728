"""Workbooks: one page a sheet, its runs of rows as tables; xlsx by streaming its XML, xls through xlrd."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

from core.errors import Encrypted, TooLarge, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.objects import leave_embedded
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.properties import comment_of, stated_title
from ingest.parsers.request import ParseRequest
from ingest.parsers.sheet_numbers import DAYS_TO_1904, Kind, Styles, kind_of, shown
from ingest.parsers.sheet_tables import Merge, lined, merge_of, sheet_blocks, spread_merged

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS = "application/vnd.ms-excel"
MAX_CELLS = 5_000_000
MAX_MERGES = 50_000
MAX_FORMATTED_BYTES = 20 * 2**20
"""An old workbook up to this size is read with its formats, which take several times the memory."""


def parse_xlsx(request: ParseRequest) -> RawDocument:
    """Read a workbook."""
    raw = RawDocument([], XLSX, "xlsx")
    with Package(request) as package:
        strings, styles = _shared_strings(package), _styles(package)
        sheets = _sheets(package)
        raw.pages, raw.title = len(sheets), stated_title(package) or Path(request.name).stem
        for number, (title, name) in enumerate(sheets, start=1):
            rows = _rows(package, name, strings, styles) if name in package.names else []
            related = package.relations(name)
            _add_sheet(raw, number, title, rows, _remarks(package, list(related.values())))
        leave_embedded(package, raw, request)
    return raw


def parse_xls(request: ParseRequest) -> RawDocument:
    """Read a workbook of the old binary kind.

    Raises:
        Encrypted: it needs a password.
        Unparseable: xlrd cannot read it.
    """
    import xlrd  # type: ignore[import-untyped]

    raw = RawDocument([], XLS, "xls", title=Path(request.name).stem)
    try:
        book = _open_xls(request.path)
        styles = _xls_styles(book)
        raw.pages = book.nsheets
        for number, sheet in enumerate(book.sheets(), start=1):
            rows = {row: [_xls_cell(cell, styles) for cell in sheet.row(row)] for row in range(sheet.nrows)}
            merged = (Merge(top, left, end - 1, stop - 1) for top, end, left, stop in sheet.merged_cells[:MAX_MERGES])
            spread_merged(rows, merged)
            _add_sheet(raw, number, sheet.name, lined(rows), [])
    except xlrd.XLRDError as error:
        if "encrypt" in str(error).lower() or "password" in str(error).lower():
            raise Encrypted("the workbook needs a password") from error
        raise Unparseable(f"not a readable workbook: {error}") from error
    return raw


def _add_sheet(raw: RawDocument, number: int, title: str, rows: list[list[str]], remarks: list[str]) -> None:
    blocks = [*sheet_blocks(rows, number), *(Block("text", remark, page=number) for remark in remarks)]
    if blocks:
        raw.blocks += [Block("heading", title, level=1, page=number), *blocks]


def _sheets(package: Package) -> list[tuple[str, str]]:
    root = package.xml("xl/workbook.xml")
    targets = package.relations("xl/workbook.xml")
    found: list[tuple[str, str]] = []
    for element in root.iter() if root is not None else ():
        if local(element) == "sheet":
            name = next((targets.get(value) for key, value in element.attrib.items() if key.endswith("}id")), None)
            found.append((element.get("name") or f"Sheet {len(found) + 1}", name or ""))
    return found


def _shared_strings(package: Package) -> list[str]:
    root = package.xml("xl/sharedStrings.xml")
    return [_string(item) for item in root] if root is not None else []


def _string(item: Any) -> str:
    """Return a string's text without the phonetic guides of East Asian scripts."""
    if local(item) == "rPh":
        return ""
    own = (item.text or "") if local(item) == "t" else ""
    return own + "".join(_string(child) for child in item)


def _styles(package: Package) -> Styles:
    """Return what the cell styles show, and from which day the workbook counts."""
    codes: dict[int, str] = {}
    book = package.xml("xl/workbook.xml")
    since_1904 = book is not None and any(
        local(element) == "workbookPr" and element.get("date1904") in ("1", "true") for element in book.iter()
    )
    found = Styles([], DAYS_TO_1904 if since_1904 else 0)
    root = package.xml("xl/styles.xml")
    for element in root.iter() if root is not None else ():
        if local(element) == "numFmt":
            codes[int(element.get("numFmtId", "0"))] = element.get("formatCode", "")
        elif local(element) == "cellXfs":
            numbers = [int(style.get("numFmtId") or 0) for style in element]
            found.kinds.extend(kind_of(number, codes.get(number, "")) for number in numbers)
    return found


def _rows(package: Package, name: str, strings: list[str], styles: Styles) -> list[list[str]]:
    from lxml import etree

    source = io.BytesIO(package.read(name, limit=256 * 2**20))
    rows: dict[int, list[str]] = {}
    merges: list[Merge] = []
    cells, last = 0, -1
    tags = ("{*}row", "{*}mergeCell")
    try:
        for _, element in etree.iterparse(source, events=("end",), tag=tags, resolve_entities=False, no_network=True):
            if local(element) == "row":
                last = max(int(element.get("r") or 0) - 1, last + 1)
                rows[last] = _row_values(element, strings, styles)
                cells += len(rows[last])
            elif len(merges) < MAX_MERGES and (merge := merge_of(element.get("ref", ""))) is not None:
                merges.append(merge)
            if cells > MAX_CELLS:
                raise TooLarge(f"the workbook has more than {MAX_CELLS} cells")
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise Unparseable(f"damaged sheet: {error}") from error
    spread_merged(rows, merges)
    return lined(rows)


def _row_values(row: Any, strings: list[str], styles: Styles) -> list[str]:
    values: list[str] = []
    for cell in row:
        if local(cell) != "c":
            continue
        column = _column(cell.get("r") or "")
        if column is not None and len(values) < column <= 16384:
            values += [""] * (column - len(values))
        values.append(_cell(cell, strings, styles))
    return values


def _column(reference: str) -> int | None:
    number = 0
    for letter in reference:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter.upper()) - 64
    return number - 1 if number else None


def _cell(cell: Any, strings: list[str], styles: Styles) -> str:
    kind = cell.get("t")
    if kind == "inlineStr":
        return " ".join(_string(cell).split())
    value = next((child.text or "" for child in cell if local(child) == "v"), "")
    if kind == "s":
        place = int(value) if value.isdigit() else -1
        return " ".join(strings[place].split()) if 0 <= place < len(strings) else ""
    if kind == "b":
        return "TRUE" if value == "1" else "FALSE"
    if not value:  # a formula that no program has computed yet says more than nothing
        return next((f"={child.text}" for child in cell if local(child) == "f" and child.text), "")
    if kind in ("str", "e", "d"):
        return " ".join(value.split())
    return _number(value, int(cell.get("s") or 0), styles)


def _number(value: str, style: int, styles: Styles) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    return shown(number, styles.kinds[style] if 0 <= style < len(styles.kinds) else "plain", styles.later_days)


def _open_xls(path: Path) -> Any:
    """Open a workbook with its formats, which tell merged cells, elapsed time and leading zeros; else without."""
    import xlrd

    if path.stat().st_size <= MAX_FORMATTED_BYTES:
        try:
            return xlrd.open_workbook(str(path), logfile=io.StringIO(), formatting_info=True)
        except (xlrd.XLRDError, struct.error, LookupError, ValueError, TypeError, AssertionError, AttributeError):
            pass  # formats are damaged more often than what they format
    return xlrd.open_workbook(str(path), on_demand=True, logfile=io.StringIO())


def _xls_styles(book: Any) -> Styles:
    formats = {key: found.format_str for key, found in book.format_map.items()}
    kinds = [kind_of(style.format_key, formats.get(style.format_key, "")) for style in book.xf_list]
    return Styles(kinds, DAYS_TO_1904 if book.datemode else 0)


def _xls_cell(cell: Any, styles: Styles) -> str:
    import xlrd

    kind: Kind = styles.kinds[cell.xf_index] if cell.xf_index is not None else "plain"
    if cell.ctype == xlrd.XL_CELL_DATE:
        return shown(cell.value, "elapsed" if kind == "elapsed" else "moment", styles.later_days)
    if cell.ctype == xlrd.XL_CELL_NUMBER:
        return shown(cell.value, kind, styles.later_days)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    return "" if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK) else " ".join(str(cell.value).split())


def _remarks(package: Package, parts: list[str]) -> list[str]:
    """Return the text of comments, shapes and charts that belong to a sheet."""
    found: list[str] = []
    for part in parts:
        if part not in package.names or not part.endswith(".xml"):
            continue
        if "comments" in part.lower():
            found += _comments(package.xml(part))
        elif "/drawings/" in part:
            found += [e.text for e in package.xml(part).iter() if local(e) == "t" and e.text and e.text.strip()]
            charts = [name for name in package.relations(part).values() if "/charts/chart" in name]
            for chart in charts:
                root = package.xml(chart)
                found += [e.text for e in root.iter() if local(e) == "t" and e.text] if root is not None else []
    return found


def _comments(root: Any) -> list[str]:
    """Return the remarks on cells with their authors; a thread is a remark behind a notice to older programs."""
    authors = [author.text or "" for author in root.iter() if local(author) == "author"]
    found = []
    for comment in root.iter():
        if local(comment) == "comment":
            number, text = attribute(comment, "authorId") or "", _string(comment)
            author = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else ""
            if text.startswith("[Threaded comment]"):
                author, text = "", text.partition("Comment:")[2]
            found.append(comment_of(author, text))
    return [remark for remark in found if remark]
