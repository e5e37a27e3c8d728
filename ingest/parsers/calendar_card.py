"""Calendars (iCalendar, RFC 5545) and address cards (vCard 2.1 to 4.0), as one who is invited or looks someone up
reads them; photographs, identifiers and what only programs need are left out."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.parsed import Block, RawDocument
from ingest.parsers.html import parse_html
from ingest.parsers.moments import moment, repeated, stretch
from ingest.parsers.text import decode

CALENDAR = "text/calendar"
CARD = "text/vcard"
_PARAMETER = re.compile(r';([^=;:"]+)(?:=((?:"[^"]*"|[^";:])*))?')
_NAME = re.compile(r"[A-Za-z][\w.-]*")
_ESCAPE = re.compile(r"\\([\\,;:nN])")
_UNESCAPED_COMMA = re.compile(r"(?<!\\),")
_UNESCAPED_SEMICOLON = re.compile(r"(?<!\\);")
_TAG = re.compile(r"</?(?:a|b|br|div|html|i|li|ol|p|span|strong|u|ul)\b[^<>]*>", re.IGNORECASE)
_SHOWN = {"VEVENT": "Event", "VTODO": "Task", "VJOURNAL": "Entry"}
_PLAIN = {
    "LOCATION": "Where", "STATUS": "Status", "CATEGORIES": "Categories", "URL": "Web",
    "CONTACT": "Contact",
    "CONFERENCE": "Join at", "X-GOOGLE-CONFERENCE": "Join at", "COMMENT": "Answer",
}  # fmt: skip
_PERSONS = {"ORGANIZER": "Organiser", "ATTENDEE": "Attendees"}
_TIMES = {"DUE": "Due", "RECURRENCE-ID": "Instead of", "RDATE": "Also on", "EXDATE": "Not on"}
_CARD = {
    "NICKNAME": "Nickname", "ORG": "Organisation", "TITLE": "Position", "ROLE": "Role", "TEL": "Telephone",
    "EMAIL": "E-mail", "IMPP": "Messages", "ADR": "Address", "BDAY": "Birthday", "URL": "Web",
    "CATEGORIES": "Categories", "NOTE": "Note",
}  # fmt: skip
_NO_KINDS = {"pref", "internet", "voice", "x-internet", "charset", "encoding"}
"""Of the kinds of a telephone, mail or address those that tell a person nothing."""
_ANSWERS = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative", "DELEGATED": "delegated"}


@dataclass(slots=True)
class Line:
    """One property: its name in capitals, its parameters likewise, and its value, still escaped."""

    name: str
    value: str
    parameters: dict[str, str] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    """The values of TYPE, and the bare parameters that vCard 2.1 has instead."""


def parse_calendar(content: bytes, name: str = "") -> RawDocument:
    """Read a calendar: each event, task or entry as a heading, what is known of it line by line, and its text.

    `name` is the title of one that has several and no name of its own.
    """
    raw = RawDocument([], CALENDAR, "calendar")
    held: list[tuple[str, list[Line]]] = []
    for kind, lines in [*_parts(content), ("VCALENDAR", [])]:
        if kind in _SHOWN:
            held.append((_SHOWN[kind], lines))
        elif kind == "VCALENDAR":
            said = {line.name: _plain(line) for line in lines if line.name in ("METHOD", "X-WR-CALNAME")}
            raw.title = raw.title or said.get("X-WR-CALNAME")
            for shown, event in held:
                raw.blocks += _event(event, shown, cancelled=said.get("METHOD", "").upper() == "CANCEL")
            held = []
    _name_several(raw, name)
    return raw


def parse_cards(content: bytes, name: str = "") -> RawDocument:
    """Read address cards: each a heading with the name, and what is known of it line by line.

    `name` is the title where there are several.
    """
    raw = RawDocument([], CARD, "card")
    for kind, lines in _parts(content):
        raw.blocks += _contact(lines) if kind == "VCARD" else []
    _name_several(raw, name)
    return raw


def _name_several(raw: RawDocument, name: str) -> None:
    """Keep the first of several from naming them all."""
    if sum(block.kind == "heading" for block in raw.blocks) > 1:
        raw.title = raw.title or name or None


def _parts(content: bytes) -> Iterator[tuple[str, list[Line]]]:
    """Yield the kind and the properties of each part, inner ones before what they stand in, and unclosed ones last."""
    stack: list[tuple[str, list[Line]]] = []
    for line in _lines(content):
        if line.name == "BEGIN":
            stack.append((line.value.strip().upper(), []))
        elif line.name == "END":
            if stack:
                yield stack.pop()
        elif stack:
            stack[-1][1].append(line)
    yield from reversed(stack)


def _lines(content: bytes) -> Iterator[Line]:
    """Yield a file's properties."""
    if b"\0" in content[:64]:
        content = decode(content).lstrip("\ufeff").encode(errors="replace")
    for text in decode(b"\n".join(_unfolded(content))).split("\n"):
        head = _NAME.match(text)
        if head is None:
            continue
        line, at = Line(head[0].rpartition(".")[2].upper(), ""), head.end()
        while (found := _PARAMETER.match(text, at)) is not None:
            at = found.end()
            _parameter(line, found[1].strip().upper(), found[2])
        if text[at : at + 1] == ":":
            line.value = text[at + 1 :]
            yield line


def _unfolded(content: bytes) -> Iterator[bytes]:
    """Yield whole lines, joined as bytes: a line may be torn within a character."""
    pieces: list[bytes] = []
    quoted = False
    for line in content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if quoted and pieces[-1].endswith(b"="):
            pieces[-1] = pieces[-1][:-1]
            pieces.append(line)
        elif pieces and line[:1] in (b" ", b"\t"):
            pieces.append(line[1:])
        else:
            yield b"".join(pieces)
            pieces, quoted = [line], b"QUOTED-PRINTABLE" in line.partition(b":")[0].upper()
    yield b"".join(pieces)


def _parameter(line: Line, name: str, value: str | None) -> None:
    value = value.replace('"', "") if value is not None else None
    if value is None and name in ("QUOTED-PRINTABLE", "BASE64"):
        line.parameters["ENCODING"] = name
    elif value is None or name == "TYPE":
        line.kinds += (value or name).lower().split(",")
    else:
        line.parameters[name] = value


def _decoded(line: Line) -> str:
    """Return a property's value with its transfer encoding undone; bytes such as a photograph's are nothing."""
    encoding = line.parameters.get("ENCODING", "").upper()
    if encoding in ("B", "BASE64") or line.value.startswith("data:"):
        return ""
    if encoding != "QUOTED-PRINTABLE":
        return line.value
    content = quopri.decodestring(line.value.encode(errors="replace"))
    try:
        return content.decode(line.parameters.get("CHARSET", "utf-8"))
    except (LookupError, UnicodeDecodeError):
        return decode(content)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], text).strip()


def _plain(line: Line) -> str:
    return _unescape(_decoded(line))


def _event(lines: list[Line], kind: str, cancelled: bool) -> list[Block]:
    """Return an event's blocks: its name, what is known of it, and its description."""
    known: dict[str, dict[str, None]] = {}

    def tell(label: str, value: str) -> None:
        if value:
            known.setdefault(label, {})[value] = None

    first = {line.name: line for line in reversed(lines)}
    tell("When", _when(first))
    for line in lines:
        label, value = _told(line)
        tell(label, value)
    if cancelled:
        known["Status"] = {"cancelled": None}
    name = _plain(first["SUMMARY"]) if "SUMMARY" in first else ""
    if not (name or known or "DESCRIPTION" in first):
        return []
    blocks = [Block("heading", " ".join((name or kind).split()), level=1)]
    if known:
        blocks.append(Block("text", "\n".join(f"{label}: {', '.join(values)}" for label, values in known.items())))
    return blocks + (_description(_plain(first["DESCRIPTION"])) if "DESCRIPTION" in first else [])


def _told(line: Line) -> tuple[str, str]:
    """Return the label and the value under which a property is told; nothing for one that tells a person nothing."""
    if line.name in _PLAIN:
        value = _plain(line)
        return _PLAIN[line.name], value.lower() if line.name == "STATUS" else value
    if line.name in _PERSONS:
        return _PERSONS[line.name], _person(line)
    if line.name in _TIMES:
        moments = (moment(value, line.parameters.get("TZID", "")) for value in line.value.split(","))
        return _TIMES[line.name], ", ".join(filter(None, moments))
    return ("Repeats", repeated(line.value)) if line.name == "RRULE" else ("", "")


def _when(first: dict[str, Line]) -> str:
    start = first.get("DTSTART")
    if start is None:
        return ""
    end, lasts = first.get("DTEND"), first.get("DURATION")
    zone = start.parameters.get("TZID", "")
    if end is not None:
        return stretch(start.value, zone, end.value, end.parameters.get("TZID", ""))
    return stretch(start.value, zone, lasts=lasts.value if lasts is not None else "")


def _description(text: str) -> list[Block]:
    """Return the blocks of a text that some programs write as HTML."""
    if _TAG.search(text):
        return parse_html(text.encode(errors="replace")).blocks
    return [Block("text", piece) for piece in re.split(r"\n\s*\n", text) if piece.strip()]


def _person(line: Line) -> str:
    """Return `Name <address>` and, where one has answered, how."""
    address = re.sub(r"(?i)\Amailto:", "", _plain(line))
    name = line.parameters.get("CN", "").strip()
    shown = f"{name} <{address}>" if name and "@" in address and name != address else name or address
    answer = _ANSWERS.get(line.parameters.get("PARTSTAT", "").upper())
    return f"{shown} ({answer})" if answer and line.name == "ATTENDEE" else shown


def _contact(lines: list[Line]) -> list[Block]:
    first = {line.name: line for line in reversed(lines)}
    name = _plain(first["FN"]) if "FN" in first else ""
    if not name and "N" in first:
        family, given, *more = [*_pieces(first["N"]), ""]
        name = " ".join(part for part in (*more[1:2], given, *more[:1], family, *more[2:3]) if part)
    known = []
    for line in lines:
        value = _card_value(line) if line.name in _CARD else ""
        if value:
            kinds = [kind for kind in line.kinds if kind not in _NO_KINDS]
            label = f"{_CARD[line.name]} ({', '.join(dict.fromkeys(kinds))})" if kinds else _CARD[line.name]
            known.append(f"{label}: {value}")
    if not (name or known):
        return []
    heading = [Block("heading", " ".join(name.split()), level=1)] if name else []
    return heading + ([Block("text", "\n".join(dict.fromkeys(known)))] if known else [])


def _pieces(line: Line) -> list[str]:
    """Return the parts of a value that semicolons part, each a line."""
    return [" ".join(_unescape(piece).split()) for piece in _UNESCAPED_SEMICOLON.split(_decoded(line))]


def _card_value(line: Line) -> str:
    if line.name in ("ORG", "ADR"):
        return ", ".join(piece for piece in _pieces(line) if piece)
    if line.name == "BDAY":
        return moment(line.value, "") or _plain(line)
    if line.name in ("NICKNAME", "CATEGORIES"):
        return ", ".join(_unescape(piece) for piece in _UNESCAPED_COMMA.split(_decoded(line)))
    return re.sub(r"(?i)\A(?:tel|mailto):", "", _plain(line))
