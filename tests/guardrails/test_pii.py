"""Numbers that identify somebody are found, checked and redacted; numbers that only look like them are not."""

import pytest
from pydantic import ValidationError

from core.errors import InvalidInput
from core.settings import RailPolicy
from guardrails.pii import Pii, find_pii
from guardrails.pii_types import FAMILIES, KINDS, SENSITIVE, family
from guardrails.rail import Context

FOUND = [
    ("My card is 4111 1111 1111 1111.", "CREDIT_CARD"),
    ("card 5555555555554444 please", "CREDIT_CARD"),
    ("pay with 378282246310005", "CREDIT_CARD"),
    ("cc 6011111111111117", "CREDIT_CARD"),
    ("charge 5105-1051-0510-5100 now", "CREDIT_CARD"),
    ("I paid for my order with 4111111111111111", "CREDIT_CARD"),
    ("order 4111 1111 1111 1111", "CREDIT_CARD"),
    ("Take it from 6240008631401148.", "CREDIT_CARD"),
    ("4111 1111 1111 1111 12/27", "CREDIT_CARD"),
    ("3622 720627 1667", "CREDIT_CARD"),
    ("My old card was 5000550000000029.", "CREDIT_CARD"),
    ("my credit card is 345678901234", "CREDIT_CARD"),
    ("send it to DE89 3704 0044 0532 0130 00", "IBAN_CODE"),
    ("IBAN GB82WEST12345698765432", "IBAN_CODE"),
    ("FR1420041010050500013M02606 is the account", "IBAN_CODE"),
    ("my SSN is 536-90-4399", "US_SSN"),
    ("social security 219-09-9998", "US_SSN"),
    ("mail ana.lopez@example.org", "EMAIL_ADDRESS"),
    ("write to o'neil+x@sub.example.co.uk today", "EMAIL_ADDRESS"),
    ("call +49 30 1234 5678", "PHONE_NUMBER"),
    ("call (212) 555-0147", "PHONE_NUMBER"),
    ("ring 02.27.96.63.08", "PHONE_NUMBER"),
    ("phone 001-748-088-2851x818", "PHONE_NUMBER"),
    ("from 106.31.73.20 last night", "IP_ADDRESS"),
    ("see https://visualtrips.example/page", "URL"),
    ("my driver's license number is 425700624", "US_DRIVER_LICENSE"),
    ("NINO QQ123456C".replace("QQ", "AB"), "UK_NINO"),
    ("DNI 12345678Z", "NATIONAL_ID"),
    ("AHV 756.1234.5678.97", "NATIONAL_ID"),
    ("NIF 12.345.678-Z", "NATIONAL_ID"),
    ("mi número es X-1234567-L", "NATIONAL_ID"),
    ("Il codice è RSSMRA85T10A562S.", "NATIONAL_ID"),
    ("Personalausweis L01X00T47", "NATIONAL_ID"),
    ("Ausweisnummer T220001293", "NATIONAL_ID"),
    ("Steuer-ID 86 095 742 719", "NATIONAL_ID"),
    ("2 55 08 14 168 025 38", "NATIONAL_ID"),
    ("NIR 255081416802538", "NATIONAL_ID"),
    ("BSN 111222333", "NATIONAL_ID"),
    ("burgerservicenummer 1112.22.333", "NATIONAL_ID"),
    ("mój PESEL: 44051401359", "NATIONAL_ID"),
    ("529.982.247-25", "NATIONAL_ID"),
    ("cpf 52998224725", "NATIONAL_ID"),
    ("my Aadhaar number is 2341 2341 2346", "NATIONAL_ID"),
    ("NI number AB 12 34 56 C", "UK_NINO"),
    ("NHS number 943 476 5919", "UK_NHS"),
    ("ssn 215 40 1905", "US_SSN"),
    ("my US passport number is 912803456", "PASSPORT"),
    ("Passport A12803456", "PASSPORT"),
    ("Reisepass 912803456", "PASSPORT"),
]
PASSED = [
    "Order 1234567890123456 was shipped.",
    "4111 1111 1111 1112 fails the check",
    "Revenue was 1,234,567 dollars in 2021.",
    "Section 3.2.1 applies from 2024-01-01.",
    "The ratio is 12:34 or 0.35294.",
    "IBAN DE89 3704 0044 0532 0130 01",
    "version 10.2.3 of the tool",
    "Room 305, floor 2, building 7",
    "000-12-3456 is no number of a person",
    "666-12-3456 neither",
    "12345678A is not valid",
    "See page 1024 and table 16.",
    "from 999.999.999.999",
    "a@b",
    "Invoice 2023-11-20-0042",
    "Net income grew 12.5% to $3.4 billion.",
    "ISBN 978-3-16-148410-0",
    "0x7f3a9c is an address in memory",
    "There are 86400 seconds in a day.",
    "Form SF-1164 is for travel.",
    "10-K for the year 2022",
    "DNI 12345678A, NIE X-1234567-M",
    "Codice fiscale RSSMRA85T10A562T",
    "Ausweisnummer T220001294",
    "Item L01X00T47 is in stock.",
    "NIR 2 55 08 14 168 025 39",
    "BSN 111222334",
    "Order 111222333 was shipped.",
    "PESEL 44051401358",
    "Order 44051401359 was shipped.",
    "CPF 529.982.247-26, or 111.111.111-11",
    "Order 52998224725 was shipped.",
    "Aadhaar 2341 2341 2347",
    "Order 2341 2341 2346 was shipped.",
    "See https://books.example/dp/0692563636, or call 415-556-2766.",
    "West Ham 5,000 250,564 215 40 1905",
    "Under our public policy, H1 and A1234 are next.",
    "Item S123-4567-8901 was sold.",
    "Order 701234567891 was shipped.",
    "Your order 4111111111111111 was shipped.",
    "Tracking no. 5555555555554444",
    "Rechnungsnummer: 4111111111111111",
    "My account 345678901234 is closed.",
    "Discard parcel 345678901234.",
    "Take 5000550000000029 of them.",
    "Item 806433584_36704-37207-0-503",
    "Attach document 912803456 to the travel form.",
    "Ship 912803456 to us.",
]
REDACTED = [
    *(text for text, kind in FOUND if kind in SENSITIVE),
    "charge card 3566002020360505",
    "pay to NL91 ABNA 0417 1643 00",
    "CH9300762011623852957 is my account",
    "ES9121000418450200051332",
    "my ssn: 078-05-1121",
    "ITIN 912-70-1234",
    "NHS number 943 476 5919",
    "pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "Steuer-ID 86095742719",
]
"""What the rail redacts by default: numbers that identify somebody to an authority or a bank."""


@pytest.mark.parametrize("text", REDACTED)
@pytest.mark.parametrize("stage", ["input", "output", "ingest"])
def test_the_rail_redacts_what_identifies_somebody(text, stage):
    rail = Pii(None)  # type: ignore[arg-type]  # by default no name is redacted, and no tagger asked
    finding = rail.check(Context(stage, text))
    assert finding.score >= rail.threshold
    assert not rail.check(Context(stage, finding.redacted)).redacted


@pytest.mark.parametrize("text", PASSED)
def test_the_rail_passes_other_numbers(text):
    rail = Pii(None)  # type: ignore[arg-type]
    finding = rail.check(Context("output", text))
    assert finding.score < rail.threshold
    assert finding.redacted is None


@pytest.mark.parametrize(("text", "kind"), FOUND)
def test_personal_data_is_found(text, kind):
    assert kind in {span.kind for span in find_pii(text, None)}


@pytest.mark.parametrize("text", PASSED)
def test_numbers_that_identify_nobody_pass(text):
    assert not {span.kind for span in find_pii(text, None)} & (SENSITIVE | {"EMAIL_ADDRESS", "IP_ADDRESS"})


def test_redaction_keeps_the_sentence_readable(classifier):
    finding = Pii(classifier).check(Context("output", "Pay with 4111 1111 1111 1111 or mail a@example.org."))
    assert finding.redacted == "Pay with [credit card] or mail a@example.org."
    assert finding.score == 1.0


LICENCES = ["S123-4567-8901", "S123-456-78-901-0", "A1234 56789 01234", "S 123 456 789 012", "K12-345-678", "D1234567"]


@pytest.mark.parametrize("number", LICENCES)
def test_a_driving_licence_is_redacted_whole(number):
    finding = Pii(None).check(Context("output", f"Her driver's license is {number}."))  # type: ignore[arg-type]
    assert finding.redacted == "Her driver's license is [us driver license]."


def test_the_policy_says_what_is_redacted(classifier):
    finding = Pii(classifier, ["EMAIL"]).check(Context("output", "Pay with 4111 1111 1111 1111 or mail a@example.org."))
    assert finding.redacted == "Pay with 4111 1111 1111 1111 or mail [email address]."


@pytest.mark.parametrize("name", ["email", "Email-Address", " EMAIL_ADDRESS "])
def test_a_kind_is_named_in_any_case(name):
    finding = Pii(None, [name]).check(Context("output", "Mail a@example.org."))  # type: ignore[arg-type]
    assert finding.redacted == "Mail [email address]."


@pytest.mark.parametrize(
    ("name", "hint"),
    [("PERSN", "did you mean PERSON"), ("credit_cards", "did you mean CREDIT_CARD"), ("", "known")],
)
def test_a_kind_that_is_never_found_is_refused(open_rails, name, hint):
    with pytest.raises(InvalidInput, match=rf"rails\.pii_redact.*{hint}"):
        open_rails(pii_redact=[name])


def test_the_known_kinds_are_those_that_are_found(classifier):
    from guardrails.pii_engine import _engine

    patterns = {"CREDIT_CARD", *_engine().get_supported_entities("en")}
    tagged = {label for label in classifier.card("pii")["labels"] if label != "O"}
    assert {family(name) for name in patterns | tagged} == KINDS
    assert set(FAMILIES.values()) <= KINDS
    assert {family(name) for name in patterns} >= SENSITIVE


@pytest.mark.parametrize("threshold", [-0.1, 1.01, 95.0])
def test_a_threshold_beyond_every_score_is_refused(threshold):
    with pytest.raises(ValidationError, match="threshold"):
        RailPolicy(threshold=threshold)


def test_names_are_tagged(classifier):
    spans = find_pii("Please call Maria Lopez in Berlin.", classifier)
    assert {"PERSON", "LOCATION"} <= {span.kind for span in spans}


def test_nothing_reaches_for_the_network(monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert find_pii("mail ana.lopez@example.org", None)
