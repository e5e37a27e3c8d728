"""Mail: headers and body as text; attachments are left for a parse of their own."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from itertools import pairwise
from typing import Any

from core.errors import TooLarge, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.archives import MAX_MEMBERS
from ingest.parsers.html import parse_html
from ingest.parsers.request import ParseRequest, spool_file
from ingest.parsers.text import decode, parse_text

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
MAX_ATTACHMENTS = 500
_POSTMARK = re.compile(rb"(?:\A|\n\r?\n)(From [^\n]*\d{4}[^\n]*\n)(?=[\w-]+:)")
"""What parts the messages of a mailbox: a line of its own, after an empty one and before headers."""
_HEAD_BYTES = 16384


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
        if message.body and message.body.strip():
            raw.blocks += parse_text(message.body.encode()).blocks
        elif message.html_body:
            raw.blocks += parse_html(message.html_body.encode()).blocks
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
        if kind == "multipart/alternative":
            self._best(list(part.iter_parts()) if isinstance(part, EmailMessage) else part.get_payload())
        elif kind == "message/rfc822":
            inner = part.get_payload()
            message = inner[0] if isinstance(inner, list) and inner else None
            if message is not None:
                _leave(self._raw, self._request, f"{_header(message, 'Subject') or 'message'}.eml", message.as_bytes())
        elif part.is_multipart():
            for inner in part.get_payload():
                self.read(inner)
        elif part.get_content_disposition() == "attachment" or (part.get_filename() and not kind.startswith("text/")):
            self._attachment(part)
        elif kind in ("text/html", "text/plain") or kind.startswith("text/"):
            self._body(part, kind)

    def _best(self, parts: list[Any]) -> None:
        """Read the plain alternative where it says anything, otherwise the last one, which is the richest."""
        plain = [part for part in parts if part.get_content_type() == "text/plain" and _text(part).strip()]
        for part in plain[:1] or parts[-1:]:
            self.read(part)

    def _body(self, part: Any, kind: str) -> None:
        text = _text(part)
        found = parse_html(text.encode()) if kind == "text/html" else parse_text(text.encode())
        self._raw.blocks += found.blocks
        if "hidden_text" in found.counts:
            self._raw.counts["hidden_text"] = found.counts["hidden_text"]

    def _attachment(self, part: Any) -> None:
        try:
            payload = part.get_payload(decode=True)
        except (ValueError, AssertionError, LookupError):
            payload = None
        if payload:
            _leave(self._raw, self._request, part.get_filename() or "attachment", payload)
        else:
            self._raw.warnings.append(f"attachment {part.get_filename() or 'without a name'} is empty")


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
