"""The quotable pieces of the evidence and how well each answers a question."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.sentences import Unit, is_brief, replies, split_units
from core.settings import Settings
from core.types import Evidence, Message
from core.words import content_words, coverage
from generation.ranges import fits, holds
from generation.reading_scores import read_scores
from generation.tables import cells, head_of, match, named_rows, names_a_column, row_holds, tier_of

_SENDER = re.compile(r"(?:Subject: [^\n]*\n)?From: ([^<\n]*)")
_FIRST_PERSON = re.compile(r"\b(?:I|we|my|our|ich|wir|mein\w*|unser\w*)\b")
BELOW = " › "
"""What stands between the headings above a passage."""
MEANING = 0.6
"""Share of the embedding similarity against word overlap where no reader is installed."""
NEAR = 400
"""Characters up to which a citation reaches back to what introduces a piece, or holds the whole list it is part of."""
ROW = 0.6
"""Score of a table row whose name and column are exactly those asked for; the reader knows little of tables."""
NAMES = 0.8
"""Share of the names of a row and column that a question has, and in the mean of the question that they have."""
FITTING = 1.6
"""What a tier ("15+ years") gains where the amount asked about falls into it, and loses where not."""
TIER = 0.7
"""Score at least of a row of tiers in which the amount asked about falls, under a head that the question names."""
SECTION = 0.5
"""What a word counts that stands only in the heading above a piece: it is about the whole section."""
SAID = 0.3
"""What a word of the conversation before weighs beside one that only the question has."""
ASKING = 0.5
"""What a piece keeps of its score that names what is asked and tells nothing of it."""
REPLY = 0.3
"""What a "Yes" keeps of its score at least, where its own question shares no word with the one that is asked."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One unit of one evidence chunk."""

    evidence: Evidence
    unit: Unit

    @property
    def text(self) -> str:
        """The words of the unit."""
        return self.evidence.hit.chunk.text[self.unit.start : self.unit.end]

    @property
    def lead(self) -> str:
        """What introduces the unit, empty for a plain sentence; over a list that opens its passage, the heading."""
        unit, chunk = self.unit, self.evidence.hit.chunk
        if unit.lead:
            return chunk.text[slice(*unit.lead)]
        opens = unit.kind == "item" and unit.listed and not any(map(str.isalpha, chunk.text[: unit.listed[0]]))
        return chunk.heading.splitlines()[0].split(BELOW)[-1] if opens and BELOW in chunk.heading else ""

    @property
    def span(self) -> tuple[int, int]:
        """Where it is cited from: a short list as a whole, otherwise from its lead on where that is near."""
        unit = self.unit
        if unit.listed and unit.listed[1] - unit.listed[0] <= NEAR:
            return unit.listed
        if unit.lead and (unit.kind != "sentence" or self.brief) and unit.end - unit.lead[0] <= NEAR:
            return unit.lead[0], unit.end
        if unit.antecedent and unit.end - unit.antecedent[0] <= NEAR:
            return unit.antecedent[0], unit.end
        return unit.start, unit.end

    @property
    def antecedent(self) -> str:
        """The sentence before it in its list item, where the unit leans on that; empty where it does not."""
        return self.evidence.hit.chunk.text[slice(*self.unit.antecedent)] if self.unit.antecedent else ""

    @property
    def brief(self) -> bool:
        """Whether it is a sentence of a word or two, as "Not allowed." below a heading."""
        return self.unit.kind == "sentence" and is_brief(self.text)

    @property
    def header(self) -> str:
        """What names the cells of a table row."""
        chunk = self.evidence.hit.chunk
        return head_of(chunk.text, chunk.heading, self.unit)

    @property
    def section(self) -> str:
        """The heading above the unit in its passage."""
        return self.evidence.hit.chunk.text[slice(*self.unit.section)] if self.unit.section else ""

    @property
    def speaker(self) -> frozenset[str]:
        """The names of who wrote a mail, where the unit says "I" or "we": it speaks of them."""
        sender = _SENDER.match(self.evidence.hit.chunk.text)
        return content_words(sender[1]) if sender and _FIRST_PERSON.search(self.text) else frozenset()

    @property
    def _own(self) -> tuple[str, ...]:
        return self.evidence.hit.chunk.heading, self.lead, self.antecedent, self.text

    @property
    def own_words(self) -> frozenset[str]:
        """The content words of the unit, its lead and the headings above its passage."""
        return content_words("\n".join(self._own)) | self.speaker

    @property
    def in_context(self) -> str:
        """The unit after its headings and lead, as it is compared with a question."""
        parts = (*self._own, self.section)
        return "\n".join(dict.fromkeys(part for part in parts if part))


def passages_of(evidence: Sequence[Evidence]) -> list[Passage]:
    """Return every quotable piece of the evidence; the heads of columns are context, never quotes."""
    return [
        Passage(item, unit)
        for item in evidence
        for unit in split_units(item.hit.chunk.text)
        if unit.kind != "header" and _says_something(item.hit.chunk.text[unit.start : unit.end], unit)
    ]


def rank_passages(
    question: str,
    passages: Sequence[Passage],
    settings: Settings,
    *,
    history: Sequence[Message] = (),
    said: frozenset[str] = frozenset(),
    terms: Sequence[str] = (),
) -> list[tuple[float, Passage]]:
    """Return the passages with their scores in [0, 1], best first.

    The reader scores them where its weights are installed; meaning and shared words where not. Rows of tables are also
    held against the question by the names of row and columns, and tiers by the amount it gives. `history`
    is the conversation before, `said` words of it, `terms` what documents call the things asked for.
    """
    if not passages:
        return []
    shared = overlaps(question, passages, said)
    scores = read_scores(question, passages, shared, settings, history)
    scores = scores or _plain_scores(question, passages, shared, settings)
    rows = [((p.evidence.marker, p.header), p.text) if p.unit.kind == "row" else None for p in passages]
    named_row = named_rows(content_words(question) - said or content_words(question), rows)
    for index, passage in enumerate(passages):
        if _names_only(passage):
            scores[index] *= ASKING
        if passage.brief or replies(passage.text):
            scores[index] *= max(REPLY, coverage(question, passage.in_context))
        row = passage.unit.kind == "row"
        if row:
            named = match(question, passage.text, passage.header, terms=terms, said=said)
            scores[index] = max(scores[index], ROW * named * (0.5 + 0.5 * shared[index]))
        held = row_holds(question, passage.text, passage.header) if row else holds(question, passage.text)
        if (told := named_row[index] if held is None else held) is not None:
            scores[index] = min(1.0, scores[index] * (FITTING if told else 1 / FITTING))
        if held and row and names_a_column(question, passage.header):
            scores[index] = max(scores[index], TIER)
    order = sorted(range(len(passages)), key=lambda index: (-scores[index], index))
    return [(scores[index], passages[index]) for index in order]


def _names_only(passage: Passage) -> bool:
    """Whether a piece names something and tells nothing of it: a heading, a question, what leads into a table."""
    end = passage.text.rstrip(" *_\"'”»)")[-1:]
    return passage.unit.kind == "heading" or end == "?" or (end == ":" and passage.unit.listed is None)


def names_a_row(question: str, passages: Sequence[Passage]) -> bool:
    """Whether a question names a row of a table and one of its columns, and little else."""
    if not any(passage.unit.kind == "row" for passage in passages):
        return False
    shared = overlaps(question, passages)
    for passage, overlap in zip(passages, shared, strict=True):
        if passage.unit.kind != "row":
            continue
        if fits(question, tier_of(passage.text, passage.header)) and names_a_column(question, passage.header):
            return True
        named = match(question, passage.text, passage.header)
        if named >= NAMES and named + overlap >= 2 * NAMES:
            return True
    return False


def _plain_scores(
    question: str, passages: Sequence[Passage], shared: Sequence[float], settings: Settings
) -> list[float]:
    meaning = _similarities(question, passages, settings)
    best = max(item.evidence.hit.score for item in passages) or 1.0
    return [
        (MEANING * m + (1 - MEANING) * o + 0.1 * passage.evidence.hit.score / best) / 1.1
        for m, o, passage in zip(meaning, shared, passages, strict=True)
    ]


def passage_text(passage: Passage) -> str:
    """Return a piece as a sentence that can stand alone: an item or a reply after its lead, a row under its header."""
    text, lead = passage.text, passage.lead
    if passage.unit.kind == "row":
        return _row(text, passage.header)
    if not lead or not (passage.unit.kind == "item" or passage.brief):
        return flat(text)
    return flat(f"{lead}{':' if lead[-1].isalnum() or lead[-1] == ')' else ''} {text}")


def explained(passage: Passage) -> str:
    """Return a piece as it can stand alone, in a list item after the sentence there that it leans on."""
    text = passage_text(passage)
    if not passage.antecedent:
        return text
    return f"{text.removesuffix(flat(passage.text))}{flat(passage.antecedent)} {flat(passage.text)}"


def _row(row: str, header: str) -> str:
    values, names = cells(row), cells(header)
    if not header or len(values) != len(names):
        return flat("; ".join(value for value in values if value))
    told = zip(names, values, strict=True)
    return flat("; ".join(f"{name}: {value}" if name else value for name, value in told if value))


def flat(text: str) -> str:
    """Return the text on one line, without brackets that would read as markers."""
    return re.sub(r"\[(\s*\d[\d\s,;]*)\]", r"(\1)", re.sub(r"\s+", " ", text)).strip()


def _similarities(question: str, passages: Sequence[Passage], settings: Settings) -> list[float]:
    from models.encoder import load_encoder

    encoder = load_encoder(settings.embedder)
    asked = encoder.encode([question], "query")
    found = encoder.encode([passage.in_context for passage in passages], "document")
    return [max(0.0, float(value)) for value in (found @ asked[0])]


def overlaps(question: str, passages: Sequence[Passage], said: frozenset[str] = frozenset()) -> list[float]:
    """Return the share of the question's words each passage holds, words that few passages hold counting more.

    Words that the conversation said before count less: a follow-up asks for what is new in it.
    """
    wanted = content_words(question)
    held = [(content_words(passage.in_context) | passage.speaker) & wanted for passage in passages]
    own = [passage.own_words for passage in passages]
    weight = {word: math.log(1 + len(held) / (1 + sum(word in words for words in held))) for word in wanted}
    if not wanted <= said:
        weight = {word: value * (SAID if word in said else 1.0) for word, value in weight.items()}
    total = sum(weight.values())
    return [
        sum(weight[word] * (1.0 if word in mine else SECTION) for word in words) / total if total else 0.0
        for words, mine in zip(held, own, strict=True)
    ]


def _says_something(text: str, unit: Unit) -> bool:
    """Whether a piece can be quoted: a brief one only as an item, a row, or the reply to what leads it."""
    return not is_brief(text) or (bool(text.strip()) and (unit.kind in ("item", "row") or unit.lead is not None))
