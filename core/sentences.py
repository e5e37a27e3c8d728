"""Text cut into the units that an answer may quote: sentences, list items, table rows; all with character offsets.

A list item, a table row and a sentence that begins with "They" make sense only with what introduces them, so each
carries its lead: the sentence that ends before the list, the table's header row, the sentence before, the question
that a "Yes" answers; and its section, the heading above it. A sentence of a list item that leans on the one before it
in that item carries both: the lead of the list and that antecedent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from core.blocks import LONGEST_TITLE, RULE, Kind, blocks_of, lines_of, trim

LONGEST = 600
"""Characters; a longer "sentence" is a page without punctuation and is cut at its line ends."""
BRIEF = 3
"""Words; a shorter sentence says nothing without the question it answers or the heading it stands under."""
LONGEST_LEAD = 160
"""Characters of a paragraph of one sentence that introduces the list below it, also without a colon."""

_FIGURE = re.compile(r"\d")
_NAMED = re.compile(r"[^\W\d_][^.!?:\n]{0,40}:[ \t]+\S")
_LABELLED = re.compile(r"[^\W\d_][^\s.!?:]*(?: [^\s.!?:]+){0,3}:[ \t]+\S")
"""A label of a few words before its value: "Cost: 6.50"; in a list item it is of what the item says before."""
_POINTS_BACK = re.compile(
    r"(?:it|its|they|their|these|those|this|that|he|she|his|her|such|both|otherwise|"
    r"if (?:so|not|it|this|that|these|those|they)|in (?:this|that|such|these|those) cases?)\b",
    re.IGNORECASE,
)
_POINTS_AT_A_TIME = re.compile(
    r"\b(?:in|on|at|during|by|until|after|before|from|for) (?:that|those|the same) "
    r"(?:day|week|weekend|month|quarter|year|time|period|date|morning|afternoon|evening|night)s?\b"
    r"|\b(?:an|in|zu|bis zu|während|ab) (?:jene[mrs]|diese[mrsn]) (?:Tag|Woche|Monat|Jahr|Zeit|Datum|Abend|Zeitraum)",
    re.IGNORECASE,
)
"""A time that the sentence before tells: "The sauna stays closed in that week."."""
_REPLY = re.compile(r"(?:yes|no)\b(?=\s*(?:[,.;:!]|[–—-]\s))", re.IGNORECASE)
_ANSWER = re.compile(r"(?:A|Answer|Antwort):\s")
_BREAK = re.compile(r"""(?<![.!?…])[.!?…]++["'”’)\]*_]*+(?=\s)|[。！？]+["”’」』）]*""")
_FOLLOWS = re.compile(r"\S")
_AROUND = 24
"""Characters beside a stop that tell whether it ends a sentence."""
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|cf|no|nos|fig|eq|sec|art|inc|ltd|co|corp|jr|sr|gen|col|lt|sgt|rev|hon|"
    r"approx|dept|est|vol|pp|p|ed|eds|al|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|u\.s|u\.k|a\.m|p\.m|lit|ca|z\.b|"
    r"ext|tel|bzw|nr|abs|vgl|ggf|inkl|evtl|mio|mrd|d\.h|u\.a)|\b[A-Za-z])\.$",
    re.IGNORECASE,
)
_TITLE = re.compile(r"\b(?:Capt|Maj|Rep|Sen|Insp|Messrs)\.$")
_OF_FIGURE = re.compile(
    r"(?:\b(?:(?i:max|incl|excl|pt|para|cl)|(?<!\d)(?<!\d )(?i:min)|Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
    r"|[a-zß]str)\.$"
)
"""What is cut short where a figure follows: "max. 12", "Mon. 9-5", "Hauptstr. 5"; elsewhere these end a sentence."""
_FIGURE_NEXT = re.compile(r"[\d€$£§–—]")
_ORDINAL = re.compile(r"\b(?:am|vom|zum|ab|den|dem|der|des|das|im|jede[nmrs]?) \d{1,3}\.$", re.IGNORECASE)
"""A German ordinal, as in "ab dem 3. Tag"."""
_DAY = re.compile(r"(?<![\d.,])[0-3]?\d\.$")
_MONTH = re.compile(r"(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)\b")
_ASIDE = 120
"""Characters within which what opened in brackets closes: "(ext. 4400)" has no end of a sentence in it."""
_LETTER_OR_STREET = re.compile(r"(?:(?<![.\w])[A-Z]|\bSt|\b[Nn]o)\.$")
_OPENS = re.compile(
    r"(?:Then|It|Its|The|They|Their|This|These|Those|That|There|We|Our|You|Your|If|When|For|But|Please)\b"
)
"""Words that no name goes on with: "plan A. Then", but "John F. Kennedy"."""
_SURE_END = re.compile(r"\b(?:etc|inc|ltd|corp|co|a\.m|p\.m|u\.s|u\.k|al)\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unit:
    """A quotable piece at `text[start:end]`; `lead` is the span that introduces it."""

    start: int
    end: int
    kind: Kind
    lead: tuple[int, int] | None = None
    listed: tuple[int, int] | None = None
    """The whole list, from its lead to its last item, of an item or a lead."""
    section: tuple[int, int] | None = None
    """The heading above it in the text."""
    antecedent: tuple[int, int] | None = None
    """The sentence before it in its list item, where it says little without that."""


@lru_cache(maxsize=2048)  # the same passages are cut for quoting, weighing and checking, question after question
def split_units(text: str) -> tuple[Unit, ...]:
    """Return the units of a text in order; whitespace, markers of lists and table rules belong to none."""
    units: list[Unit] = []
    lead: tuple[int, int] | None = None
    titled = False
    blocks = blocks_of(text)
    for (kind, start, end), after in zip(blocks, [*blocks, None][1:], strict=True):
        if kind == "sentence":
            above = units[-1] if units and units[-1].kind == "heading" else None
            sentences = list(_sentences(text, start, end))
            units.extend(_with_antecedents(text, sentences, above))
            lead = (units[-1].start, units[-1].end)
            titled = len(sentences) == 1 and end - start <= LONGEST_LEAD and text[lead[1] - 1] != "?"
        elif kind == "item":
            introduces = lead if lead and (titled or _introduces(text[slice(*lead)])) else None
            units.extend(_of_item(text, list(_sentences(text, start, end)), introduces))
        elif kind == "heading":
            units.append(Unit(start, end, "heading"))
            lead, titled = (start, end), True
        elif units and units[-1].kind in ("row", "header") and not _gap(text, units[-1].end, start):
            units.append(Unit(start, end, "row", lead))
        else:
            header = after is not None and after[0] == "row" and _is_header(text, (start, end), after[1:])
            lead = (start, end) if header else None
            units.append(Unit(start, end, "header" if header else "row"))
    return tuple(_in_sections(_in_lists(units)))


def replies(text: str) -> bool:
    """Whether a text is a reply that needs its question: it begins with a yes or a no."""
    return _REPLY.match(text) is not None


def _with_antecedents(text: str, sentences: list[Unit], heading: Unit | None) -> list[Unit]:
    """Return the sentences of a paragraph, each that points back led by the one before, a reply by its question.

    What points back to a reply ("Yes. It may be split") is led by both.
    """
    found: list[Unit] = []
    before = heading
    for unit in sentences:
        if before is not None and _leans(text, unit, before):
            replied = before.lead if is_brief(text[before.start : before.end]) else None
            unit = replace(unit, lead=((replied or (before.start,))[0], before.end))
        found.append(unit)
        before = unit
    return found


def _of_item(text: str, sentences: list[Unit], lead: tuple[int, int] | None) -> Iterator[Unit]:
    """Yield the sentences of a list item under the lead of the list, each that leans on the one before with that."""
    before: Unit | None = None
    for unit in sentences:
        leans = before is not None and (_LABELLED.match(text, unit.start, unit.end) or _leans(text, unit, before))
        antecedent = (before.start, before.end) if before is not None and leans else None
        yield replace(unit, kind="item", lead=lead, antecedent=antecedent)
        before = unit


def _leans(text: str, unit: Unit, before: Unit) -> bool:
    """Whether a sentence says little without what stands before it: it replies to that or points back to it."""
    brief = is_brief(text[unit.start : unit.end])
    if before.kind == "heading" and brief:
        return True
    if text[before.end - 1] == "?" and (brief or _REPLY.match(text, unit.start) or _ANSWER.match(text, unit.start)):
        return True
    points = _POINTS_BACK.match(text, unit.start) or _POINTS_AT_A_TIME.search(text, unit.start, unit.end)
    return before.kind != "heading" and points is not None


def is_brief(text: str) -> bool:
    """Whether a text is too short to say something alone."""
    return len(text.split()) < BRIEF


def _in_sections(units: list[Unit]) -> Iterator[Unit]:
    """Yield the units, each with the heading above it."""
    section: tuple[int, int] | None = None
    for unit in units:
        if unit.kind == "heading":
            section = (unit.start, unit.end)
            yield unit
        else:
            yield replace(unit, section=section) if section else unit


def _introduces(text: str) -> bool:
    """Whether a sentence leads into the list below it: it ends with a colon, or is a title, which ends with nothing."""
    plain = text.rstrip(" *_")
    return plain.endswith(":") or (len(plain) <= LONGEST_TITLE and "\n" not in plain and plain[-1:].isalnum())


def _is_header(text: str, row: tuple[int, int], below: tuple[int, int]) -> bool:
    """Whether the first row of a table names its columns: a rule follows, or figures under words."""
    between = text[row[1] : below[0]].strip("\n")
    ruled = any(RULE.match(line) for line in between.splitlines() if line.strip())
    return ruled or (not _FIGURE.search(text[slice(*row)]) and _FIGURE.search(text[slice(*below)]) is not None)


def _in_lists(units: list[Unit]) -> list[Unit]:
    """Return the units, those of a list knowing where the whole of it stands."""
    found: list[Unit] = []
    run: list[Unit] = []
    for unit in [*units, None]:
        if run and (unit is None or unit.kind != "item" or unit.lead != run[0].lead):
            leads = found and (found[-1].start, found[-1].end) == run[0].lead
            listed = (found[-1].start if leads else run[0].start, run[-1].end)
            if leads:
                found[-1] = replace(found[-1], listed=listed)
            found.extend(replace(item, listed=listed) for item in run)
            run = []
        if unit is not None and unit.kind == "item":
            run.append(unit)
        elif unit is not None:
            found.append(unit)
    return found


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the units of a text, whatever their kind."""
    return [(unit.start, unit.end) for unit in split_units(text)]


def windows(spans: list[tuple[int, int]], text: str, longest: int) -> list[tuple[int, int]]:
    """Return overlapping runs of sentences of at most `longest` characters that together cover the text."""
    if not spans:
        return [(0, len(text))] if text.strip() else []
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(spans):
        last = first
        while last + 1 < len(spans) and spans[last + 1][1] - spans[first][0] <= longest:
            last += 1
        found.append((spans[first][0], spans[last][1]))
        if last + 1 >= len(spans):
            break
        first = max(first + 1, (first + last + 1) // 2)
    return found


def _sentences(text: str, start: int, end: int) -> Iterator[Unit]:
    for first, last in _named_lines(text, start, end):
        begin = first
        for stop in _boundaries(text, first, last):
            for piece in _short(text, begin, stop):
                yield Unit(*piece, "sentence")
            begin = stop


def _named_lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a paragraph before each line of the form "Name: value" where it is a run of them; whole where it is none."""
    starts = [start + first for first, _ in lines_of(text[start:end]) if _NAMED.match(text, start + first, end)]
    cuts = starts if len(starts) > 1 and starts[0] == start else [start]
    yield from zip(cuts, [*cuts[1:], end], strict=True)


def _boundaries(text: str, start: int, end: int) -> Iterator[int]:
    begin = start
    for match in _BREAK.finditer(text, start, end):
        follows = _FOLLOWS.search(text, match.end(), end)
        if follows is None:
            break
        word = text[max(start, match.end() - _AROUND) : match.end()]
        after = text[follows.start() : min(end, follows.start() + _AROUND)]
        if _cut_short(word, after):
            continue
        if text[match.start()] == "." and (
            after[0].islower() or _ORDINAL.search(word) or (_DAY.search(word) and _MONTH.match(after))
        ):
            continue
        if _within_brackets(text, begin, match.end(), end):
            continue
        begin = match.end()
        yield begin
    yield end


def _cut_short(before: str, after: str) -> bool:
    """Whether a stop is of an abbreviation, by the words before it and what follows."""
    if _TITLE.search(before) or (_OF_FIGURE.search(before) and _FIGURE_NEXT.match(after)):
        return True
    if not _ABBREVIATION.search(before) or (_LETTER_OR_STREET.search(before) and _OPENS.match(after)):
        return False
    return not (_SURE_END.search(before) and after[0].isupper())


def _within_brackets(text: str, begin: int, stop: int, end: int) -> bool:
    """Whether a stop lies in brackets that a sentence opened after its beginning and closes soon."""
    opened = text.rfind("(", begin, stop)
    if opened <= begin or ")" in text[opened:stop]:
        return False
    closed = text.find(")", stop, min(end, opened + _ASIDE))
    return closed >= 0 and "(" not in text[stop:closed]


def _short(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long to be a sentence at its line ends."""
    start, end = trim(text, start, end)
    if end - start <= LONGEST:
        if start < end:
            yield start, end
        return
    for first, last in lines_of(text[start:end]):
        left, right = trim(text, start + first, start + last)
        if left < right:
            yield left, right


def _gap(text: str, start: int, end: int) -> bool:
    """Whether a blank line lies between two rows, so that the second opens another table."""
    return text[start:end].count("\n") > 1 and not RULE.match(text[start:end].strip("\n") or "x")
