"""Invitations, calendars and address cards: when, where and who, in words that a question can find."""

from __future__ import annotations

from email.mime.text import MIMEText

import pytest

from ingest.parsers.moments import moment, repeated, stretch
from tests.ingest.test_mail import multipart

EVENT = r"""BEGIN:VEVENT
UID:1@example.org
DTSTART;TZID=Europe/Berlin:20260914T093000
DTEND;TZID=Europe/Berlin:20260914T110000
SUMMARY:Quarterly review Orion
LOCATION:Room Kepler\, 4th floor
ORGANIZER;CN="Weber, Ana":MAILTO:ana@example.org
ATTENDEE;CN=Ben;PARTSTAT=ACCEPTED;RSVP=TRUE:mailto:ben@example.org
DESCRIPTION:Please bring the\nlist of suppliers and the very long annex tha
 t wraps over the line.
BEGIN:VALARM
DESCRIPTION:Reminder
TRIGGER:-PT15M
END:VALARM
END:VEVENT
"""
SHOWN = (
    "When: 2026-09-14 09:30–11:00 (Europe/Berlin)\nWhere: Room Kepler, 4th floor\n"
    "Organiser: Weber, Ana <ana@example.org>\nAttendees: Ben <ben@example.org> (accepted)"
)
BROUGHT = "Please bring the\nlist of suppliers and the very long annex that wraps over the line."


def calendar(*events: str, head: str = "") -> str:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}{''.join(events)}END:VCALENDAR\n"


@pytest.mark.parametrize("name", ["review.ics", "review.txt", "review"])
def test_a_calendar_tells_when_where_and_who(read, name: str) -> None:
    found = read(name, calendar(EVENT).replace("\n", "\r\n"))
    assert found.text == f"Quarterly review Orion\n\n{SHOWN}\n\n{BROUGHT}"
    assert (found.title, found.media_type) == ("Quarterly review Orion", "text/calendar")


def test_a_calendar_of_several_events_has_its_own_name(read) -> None:
    task = "BEGIN:VTODO\nSUMMARY:Order rails\nDUE;VALUE=DATE:20261001\nSTATUS:NEEDS-ACTION\nEND:VTODO\n"
    found = read("plans.ics", calendar(EVENT, task))
    assert found.title == "plans"
    assert found.text.endswith("Order rails\n\nDue: 2026-10-01\nStatus: needs-action")
    assert read("a.ics", calendar(EVENT, task, head="X-WR-CALNAME:Building works\n")).title == "Building works"


def test_an_event_called_off_says_so(read) -> None:
    assert "Status: cancelled" in read("a.ics", calendar(EVENT, head="METHOD:CANCEL\n")).text


def test_a_calendar_broken_off_is_read_as_far_as_it_goes(read) -> None:
    assert SHOWN in read("a.ics", calendar(EVENT).partition("DESCRIPTION")[0]).text


@pytest.mark.parametrize("body", [True, False])
def test_an_invitation_by_mail_tells_when_and_where(read, body: bool) -> None:
    text = "Dear all, please join."
    versions = [MIMEText(text), MIMEText(f"<p>{text}</p>", "html")] if body else []
    invitation = MIMEText(calendar(EVENT, head="METHOD:REQUEST\n"), "calendar")
    found = read("a.eml", multipart("alternative", *versions, invitation, subject="Invitation").as_bytes())
    head = "Subject: Invitation\nFrom: ana@example.org\nTo: ben@example.org\n\n"
    said = f"{text}\n\n" if body else ""
    assert found.text.endswith(f"{head}{said}Quarterly review Orion\n\n{SHOWN}\n\n{BROUGHT}")
    assert found.title == "Invitation"


def test_what_the_mail_says_already_is_not_said_again(read) -> None:
    invitation = MIMEText(calendar(EVENT), "calendar")
    found = read("a.eml", multipart("alternative", MIMEText(BROUGHT), invitation, subject="Invitation").as_bytes())
    assert found.text.count("list of suppliers") == 1
    assert SHOWN in found.text


def test_an_address_card_is_read_as_a_person_reads_it(read) -> None:
    photograph = "\r\n".join([f"PHOTO;ENCODING=BASE64;JPEG:{'QUJD' * 15}", *[f" {'QUJD' * 18}"] * 20])
    card = [
        "BEGIN:VCARD", "VERSION:2.1",
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg;;Dr.",
        "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Dr. J=C3=B6rg M=C3=BC=", "ller",
        "ORG:Nordlicht GmbH;Field service", "TEL;CELL;PREF:+49 151 555", photograph,
        "item1.EMAIL;TYPE=INTERNET,work:joerg@example.org", "item1.X-ABLabel:_$!<Work>!$_",
        "ADR;TYPE=work:;;Am Wall 7;Bremen;;28195;Germany", "BDAY:1980-05-01", "REV:20260101T000000Z",
        "NOTE:Knows the pumps\\, and\\nthe valves.", "END:VCARD",
    ]  # fmt: skip
    found = read("card.vcf", "\r\n".join(card))
    assert found.title == "Dr. Jörg Müller"
    assert found.text.splitlines() == [
        "Dr. Jörg Müller", "", "Organisation: Nordlicht GmbH, Field service", "Telephone (cell): +49 151 555",
        "E-mail (work): joerg@example.org", "Address (work): Am Wall 7, Bremen, 28195, Germany",
        "Birthday: 1980-05-01", "Note: Knows the pumps, and", "the valves.",
    ]  # fmt: skip


def test_a_card_without_a_full_name_has_its_parts_in_order(read) -> None:
    cards = "BEGIN:VCARD\nN:Weber;Ana;Maria;Dr.;\nTEL:1\nEND:VCARD\nBEGIN:VCARD\nFN:Ben\nTEL:2\nEND:VCARD\n"
    found = read("staff.vcf", cards)
    assert found.text == "Dr. Ana Maria Weber\n\nTelephone: 1\n\nBen\n\nTelephone: 2"
    assert found.title == "staff"


def test_a_character_torn_by_a_fold_is_whole(read) -> None:
    torn = calendar(EVENT).encode().replace(b"Orion", "Größe".encode()).replace(b"\xc3\xb6", b"\xc3\n \xb6")
    assert read("a.ics", torn).title == "Quarterly review Größe"


@pytest.mark.parametrize(
    ("start", "zone", "end", "end_zone", "lasts", "shown"),
    [
        ("20260914", "", "20260915", "", "", "2026-09-14"),
        ("20260914", "", "20260917", "", "", "2026-09-14 – 2026-09-16"),
        ("20260914T093000Z", "", "", "", "PT1H30M", "2026-09-14 09:30–11:00 (UTC)"),
        ("20260914T220000", "", "20260915T020000", "", "", "2026-09-14 22:00 – 2026-09-15 02:00"),
        (
            "20260914T220000", "Europe/Berlin", "20260915T020000", "Asia/Tokyo", "",
            "2026-09-14 22:00 (Europe/Berlin) – 2026-09-15 02:00 (Asia/Tokyo)",
        ),
        ("20260914T093000", "", "20260914", "", "", "2026-09-14 09:30"),
        ("20261399", "", "", "", "", ""),
    ],
)  # fmt: skip
def test_from_when_to_when(start: str, zone: str, end: str, end_zone: str, lasts: str, shown: str) -> None:
    assert stretch(start, zone, end, end_zone, lasts) == shown


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("FREQ=WEEKLY;BYDAY=MO,WE", "every week on Monday, Wednesday"),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR;UNTIL=20261231", "every 2 months on the last Friday until 2026-12-31"),
        ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=15;COUNT=4", "every year on day 15 of the month in March 4 times"),
        ("D1 #0", ""),
    ],
)  # fmt: skip
def test_a_rule_of_recurrence_in_words(rule: str, shown: str) -> None:
    assert repeated(rule) == shown


def test_a_moment_that_is_none_is_nothing() -> None:
    assert moment("whenever", "Europe/Berlin") == ""
