"""Mails: of several versions of one text the telling one is read, and nothing that is attached is lost."""

from __future__ import annotations

from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from tests.ingest.test_parse import pdf

SHOWN = "<p>Dear Ben, please see the attached offer.</p>"


def multipart(kind: str, *parts: Message, subject: str = "") -> MIMEMultipart:
    message = MIMEMultipart(kind)
    if subject:
        message["From"], message["To"], message["Subject"] = "ana@example.org", "ben@example.org", subject
    for part in parts:
        message.attach(part)
    return message


def offer(**disposition: str) -> MIMEApplication:
    part = MIMEApplication(pdf("Twelve turbines cost 48200 dollars."), "pdf")
    if disposition:
        part.add_header("Content-Disposition", "inline", **disposition)
    return part


def test_what_is_attached_within_an_alternative_that_is_not_shown_is_kept(read) -> None:
    page = multipart("mixed", MIMEText(SHOWN, "html"), offer(filename="offer.pdf"), MIMEText("<p>Bye.</p>", "html"))
    plain = MIMEText("Dear Ben, please see the attached offer. Bye.")
    found = read("a.eml", multipart("alternative", plain, page, subject="Offer").as_bytes())
    assert found.text.endswith("Subject: Offer\nFrom: ana@example.org\nTo: ben@example.org\n\n" + plain.get_payload())
    assert [child.text for child in found.children] == ["Twelve turbines cost 48200 dollars."]


def test_a_plain_version_that_says_nothing_of_the_page_does_not_stand_for_it(read) -> None:
    note = "Your mail program does not show HTML. Open this message in another one."
    page = "<h1>Canteen</h1><p>From May the lunch menu costs 9.40 euros in every canteen of the group.</p>"
    for plain, shown, other in (
        (note, page, False),
        (note, "<p>Lunch costs 9.40 euros.</p>", True),
        ("From May the lunch menu costs 9.40 euros, in the canteens of the group.", page, True),
    ):
        mail = multipart("alternative", MIMEText(plain), MIMEText(shown, "html"), subject="Prices")
        text = read("a.eml", mail.as_bytes()).text
        assert text.count("9.40 euros") == 1
        assert (plain in text) is other


def test_a_part_without_name_and_disposition_is_an_attachment(read) -> None:
    found = read("a.eml", multipart("mixed", MIMEText("Scan attached."), offer(), subject="Scan").as_bytes())
    assert [attachment.name for attachment in found.attachments] == ["attachment.pdf"]
    assert [child.text for child in found.children] == ["Twelve turbines cost 48200 dollars."]


def test_a_signature_is_left_out(read) -> None:
    signed = multipart("signed", MIMEText("Paid on Friday."), MIMEApplication(b"\x30\x82", "pkcs7-signature"))
    found = read("a.eml", multipart("mixed", signed, subject="Pay").as_bytes())
    assert (found.attachments, found.warnings) == ([], [])
    assert [reason for _, reason in found.report["left_out"]] == ["a signature"]
