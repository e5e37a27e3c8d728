"""Mail: headers and body as text; attachments are left for a parse of their own."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import Message
from itertools import pairwise
from typing import Any

from core.errors import TooLarge, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.archives import MAX_MEMBERS
from ingest.parsers.calendar_card import parse_calendar, parse_cards
from ingest.parsers.html import parse_html
from ingest.parsers.request import ParseRequest, spool_file
from ingest.parsers.text import decode, parse_text

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
MAX_ATTACHMENTS = 500
_POSTMARK = re.compile(rb"(?:\A|\n\r?\n)(From [^\n]*\d{4}[^\n]*\n)(?=[\w-]+:)")
"""What parts the messages of a mailbox: a line of its own, after an empty one and before headers."""
_HEAD_BYTES = 16384
_WORD = re.compile(r"\w+")
_SAME_SHARE = 0.5
"""Of the words of one alternative that the other has where both say the same: real mails have three quarters and more,
a text that only tells the reader to get another program next to none."""
_CARDS = {
    "text/calendar": parse_calendar, "text/vcard": parse_cards, "text/x-vcard": parse_cards,
    "text/directory": parse_cards,
}  # fmt: skip
"""What a mail shows beside its text: no other version of it, but when and where one is to come, or who writes."""
_SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}


def parse_eml(request: ParseRequest) -> RawDocument:
    """Read a message in Internet format."""
    content = request.read()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:64]:
        content = decode(content).lstrip("\ufeff").encode("utf-8", errors="replace")
    message = message_from_bytes(content, policy=policy.default.clone(refold_source="none"))
    raw = RawDocument([], "message/rfc822", "eml")
    headers = {name: value for name in _HEADERS if (value := _header(message, name))}
    _begin(raw, headers)
    _Parts(raw, request).read(message)
    return raw


def parse_mbox(request: ParseRequest) -> RawDocument:
    """Take a mailbox apart: every message is left for a parse of its own.

    Raises:
        TooLarge: it holds more messages than an archive may hold files.
    """
    raw = RawDocument([], "application/mbox", "mbox")
    content = request.read()
    starts = [found.start(1) for found in _POSTMARK.finditer(content)]
    if not starts:
        return parse_text(content)
    for number, (start, end) in enumerate(pairwise([*starts, len(content)]), start=1):
        if number > MAX_MEMBERS:
            raise TooLarge(f"the mailbox has more than {MAX_MEMBERS} messages")
        message = content[start:end].partition(b"\n")[2]
        subject = _header(message_from_bytes(message[:_HEAD_BYTES], policy=policy.default), "Subject")
        spool_file(raw, request, f"{number:05d} {subject[:80]}".strip() + ".eml", message)
    return raw


def parse_msg(request: ParseRequest) -> RawDocument:
    """Read an Outlook message.

    Raises:
        Unparseable: its streams make no sense.
    """
    from oxmsg import Message as OutlookMessage

    try:
        message = OutlookMessage.load(str(request.path))
        recipients = ", ".join(
            f"{r.name} <{r.email_address}>" if r.email_address else r.name for r in message.recipients
        )
        sent = message.sent_date
        headers = {"Subject": message.subject, "From": message.sender or "", "To": recipients}
        headers["Date"] = sent.isoformat() if sent else ""
        raw = RawDocument([], "application/vnd.ms-outlook", "msg")
        _begin(raw, {name: value for name, value in headers.items() if value})
        plain, page = message.body or "", message.html_body or ""
        for kind in _telling(plain, page):
            _add(raw, plain if kind == "text/plain" else page, kind)
        for attachment in message.attachments:
            if attachment.file_bytes:
                _leave(raw, request, attachment.file_name or "attachment", attachment.file_bytes)
    except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise Unparseable(f"not a readable Outlook message: {error}") from error
    return raw


def _begin(raw: RawDocument, headers: dict[str, str]) -> None:
    raw.title = headers.get("Subject")
    raw.metadata = {name.lower(): value for name, value in headers.items()}
    if headers:
        raw.blocks.append(Block("text", "\n".join(f"{name}: {value}" for name, value in headers.items())))


def _header(message: Message, name: str) -> str:
    """Return a header's decoded text; one too broken for the parser is taken as it stands."""
    try:
        value = message.get(name)
        return re.sub(r"\s+", " ", str(value)).strip() if value is not None else ""
    except (ValueError, IndexError, TypeError, AttributeError, LookupError):
        for key, raw in message.raw_items():
            if key.lower() == name.lower():
                return re.sub(r"\s+", " ", str(raw)).strip()
        return ""


class _Parts:
    """Takes a message apart: what is shown becomes blocks, what is attached is left in the spool."""

    def __init__(self, raw: RawDocument, request: ParseRequest) -> None:
        self._raw, self._request = raw, request

    def read(self, part: Any) -> None:
        """Read a part and what is in it."""
        kind = part.get_content_type()
        if kind == "multipart/alternative" and part.is_multipart():
            self._best(part.get_payload())
        elif kind == "message/rfc822":
            self._message(part)
        elif part.is_multipart():
            for inner in part.get_payload():
                self.read(inner)
        elif kind in _SIGNATURES:
            self._raw.counts.setdefault("left_out", []).append((_name(part), "a signature"))
        elif kind.startswith(("text/", "multipart/")) and part.get_content_disposition() != "attachment":
            _add(self._raw, _text(part), kind)  # of several parts that nothing parts the whole is text
        else:
            self._attachment(part)

    def _best(self, parts: list[Any]) -> None:
        """Read the alternatives that together say everything, and of the others what is attached in them."""
        plain = next((part for part in parts if part.get_content_type() == "text/plain" and _text(part).strip()), None)
        rich = next((part for part in reversed(parts) if _page(part)), None)
        if plain is not None and rich is not None:
            found = {"text/plain": plain, "text/html": rich}
            chosen = [found[kind] for kind in _telling(_text(plain), _page(rich))]
        else:
            chosen = [part for part in (plain, rich) if part is not None] or parts[-1:]
        for part in parts:
            if part in chosen:
                self.read(part)
            else:
                self._attached(part)

    def _attached(self, part: Any) -> None:
        """Read of an alternative that is not shown what is attached in it."""
        kind = part.get_content_type()
        if part.is_multipart() and kind != "message/rfc822":
            for inner in part.get_payload():
                self._attached(inner)
        elif (
            kind in _CARDS
            or not kind.startswith("text/")
            or part.get_content_disposition() == "attachment"
            or (kind == "text/plain" and part.get_filename())
        ):
            self.read(part)

    def _message(self, part: Any) -> None:
        inner = part.get_payload()
        message = inner[0] if isinstance(inner, list) and inner else None
        if message is not None:
            _leave(self._raw, self._request, f"{_header(message, 'Subject') or 'message'}.eml", message.as_bytes())

    def _attachment(self, part: Any) -> None:
        try:
            payload = part.get_payload(decode=True)
        except (ValueError, AssertionError, LookupError):
            payload = None
        if payload:
            _leave(self._raw, self._request, _name(part), payload)
        else:
            self._raw.warnings.append(f"attachment {part.get_filename() or 'without a name'} is empty")


def _name(part: Any) -> str:
    """Return the file name of a part; one without is named by its type, where that makes an ending."""
    kind = part.get_content_subtype()
    return part.get_filename() or (f"attachment.{kind}" if kind.isalnum() else "attachment")


def _telling(plain: str, page: str) -> tuple[str, ...]:
    """Return the types to read of a plain text and an HTML page: plain where it says what the page does."""
    blocks = parse_html(page.encode(errors="replace")).blocks
    said, shown = _words(plain), _words("\n".join(block.text for block in blocks))
    if len(said & shown) >= _SAME_SHARE * len(shown):
        return ("text/plain",)
    return ("text/html",) if len(shown) > len(said) else ("text/plain", "text/html")


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _page(part: Any) -> str:
    """Return the HTML that a part shows."""
    pages = (leaf for leaf in part.walk() if leaf.get_content_type() == "text/html")
    return "\n".join(_text(page) for page in pages if page.get_content_disposition() != "attachment")


def _add(raw: RawDocument, text: str, kind: str) -> None:
    """Add a body of a type to the blocks."""
    content = text.encode(errors="replace")
    if kind in _CARDS:
        raw.blocks += _unsaid(raw, _CARDS[kind](content).blocks)
        return
    found = parse_html(content) if kind == "text/html" else parse_text(content)
    raw.blocks += found.blocks
    if "hidden_text" in found.counts:
        raw.counts.setdefault("hidden_text", []).extend(found.counts["hidden_text"])


def _unsaid(raw: RawDocument, blocks: list[Block]) -> list[Block]:
    """Return an invitation's blocks without those that the body says already: programs write its text into both."""
    said = _words("\n".join(block.text for block in raw.blocks))
    return [block for block in blocks if block.kind == "heading" or not _words(block.text) <= said]


def _text(part: Any) -> str:
    payload = part.get_payload(decode=True)
    if payload is None:
        return str(part.get_payload())
    charset = part.get_content_charset()
    if charset:
        try:
            return str(payload.decode(charset))
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(payload) if payload else ""


def _leave(raw: RawDocument, request: ParseRequest, name: str, content: bytes) -> None:
    """Put an attachment into the spool under a number."""
    if len(raw.attachments) >= MAX_ATTACHMENTS:
        raw.warnings.append(f"attachment {name} is beyond the limit of {MAX_ATTACHMENTS}")
        return
    spool_file(raw, request, name, content)
