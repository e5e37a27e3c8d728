"""Workbooks: one page a sheet, its blocks of cells as tables; xlsx by streaming its XML, xls through xlrd."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import Encrypted, TooLarge, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.objects import leave_embedded
from ingest.parsers.package import Package, local
from ingest.parsers.request import ParseRequest
from ingest.parsers.sheet_numbers import DAYS_TO_1904, Styles, kind_of, shown
from ingest.parsers.tables import markdown_table

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS = "application/vnd.ms-excel"
MAX_CELLS = 5_000_000


def parse_xlsx(request: ParseRequest) -> RawDocument:
    """Read a workbook."""
    raw = RawDocument([], XLSX, "xlsx")
    with Package(request) as package:
        strings, styles = _shared_strings(package), _styles(package)
        sheets = _sheets(package)
        raw.pages = len(sheets)
        for number, (title, name) in enumerate(sheets, start=1):
            rows = list(_rows(package, name, strings, styles)) if name in package.names else []
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

    try:
        book = _open_xls(request.path)
        styles = _xls_styles(book)
        raw = RawDocument([], XLS, "xls", pages=book.nsheets)
        for number, sheet in enumerate(book.sheets(), start=1):
            rows = [[_xls_cell(cell, styles) for cell in sheet.row(row)] for row in range(sheet.nrows)]
            _add_sheet(raw, number, sheet.name, rows, [])
    except xlrd.XLRDError as error:
        if "encrypt" in str(error).lower() or "password" in str(error).lower():
            raise Encrypted("the workbook needs a password") from error
        raise Unparseable(f"not a readable workbook: {error}") from error
    return raw


def _add_sheet(raw: RawDocument, number: int, title: str, rows: list[list[str]], remarks: list[str]) -> None:
    tables = list(_blocks(rows))
    if tables or remarks:
        raw.blocks.append(Block("heading", title, level=1, page=number))
    for table in tables:
        lone = max(len([cell for cell in row if cell]) for row in table) == 1
        text = "\n".join(cell for row in table for cell in row if cell) if lone else markdown_table(table)
        raw.blocks.append(Block("text" if lone else "table", text, page=number))
    raw.blocks += [Block("text", remark, page=number) for remark in remarks]


def _blocks(rows: list[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the runs of rows between empty rows."""
    block: list[list[str]] = []
    for row in rows:
        if any(row):
            block.append(row)
        elif block:
            yield block
            block = []
    if block:
        yield block


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


def _rows(package: Package, name: str, strings: list[str], styles: Styles) -> Iterator[list[str]]:
    from lxml import etree

    source = io.BytesIO(package.read(name, limit=256 * 2**20))
    cells, last = 0, 0
    events = etree.iterparse(source, events=("end",), tag="{*}row", resolve_entities=False, no_network=True)
    try:
        for _, row in events:
            number = int(row.get("r") or last + 1)
            if number > last + 1:
                yield []
            last = number
            values = _row_values(row, strings, styles)
            cells += len(values)
            if cells > MAX_CELLS:
                raise TooLarge(f"the workbook has more than {MAX_CELLS} cells")
            row.clear()
            while row.getprevious() is not None:
                del row.getparent()[0]
            yield values
    except etree.XMLSyntaxError as error:
        raise Unparseable(f"damaged sheet: {error}") from error


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
    """Open a workbook; how its cells are formatted is read only where that tells elapsed time from dates."""
    import xlrd

    book = xlrd.open_workbook(str(path), on_demand=True, logfile=io.StringIO())
    if "elapsed" in _xls_styles(book).kinds:
        return xlrd.open_workbook(str(path), on_demand=True, logfile=io.StringIO(), formatting_info=True)
    return book


def _xls_styles(book: Any) -> Styles:
    formats = {key: found.format_str for key, found in book.format_map.items()}
    kinds = [kind_of(style.format_key, formats.get(style.format_key, "")) for style in book.xf_list]
    return Styles(kinds, DAYS_TO_1904 if book.datemode else 0)


def _xls_cell(cell: Any, styles: Styles) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        elapsed = cell.xf_index is not None and styles.kinds[cell.xf_index] == "elapsed"
        return shown(cell.value, "elapsed" if elapsed else "moment", styles.later_days)
    if cell.ctype == xlrd.XL_CELL_NUMBER:
        return shown(cell.value, "plain", styles.later_days)
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
            found += [text for e in package.xml(part).iter() if local(e) == "comment" and (text := _string(e).strip())]
        elif "/drawings/" in part:
            found += [e.text for e in package.xml(part).iter() if local(e) == "t" and e.text and e.text.strip()]
            charts = [name for name in package.relations(part).values() if "/charts/chart" in name]
            for chart in charts:
                root = package.xml(chart)
                found += [e.text for e in root.iter() if local(e) == "t" and e.text] if root is not None else []
    return found
