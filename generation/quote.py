"""Answers made of the documents' own words: the few sentences that answer best, verbatim, each with its marker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from core.settings import Settings
from core.types import Evidence, GeneratorName, Message
from core.words import content_words, coverage, words
from generation.alone import read_alone
from generation.conflicts import latest_copy, with_rivals, without_replaced_tables
from generation.generators import unexplained
from generation.named_rows import rows_named
from generation.parts import parts_of
from generation.passages import Passage, explained, flat, passage_text, passages_of, rank_passages
from generation.pinned import Pins, names_a_year, of_number, of_version, pinned_by, speaks_of, with_last_year
from generation.ranges import fits
from generation.rewrite import own_words
from generation.table_filters import not_meeting, not_ordered, rows_meeting
from generation.tables import cells

MOST = 3
"""Sentences in a quote answer: enough for an answer with its condition, few enough to read at a glance."""
CLOSE = 0.95
"""Share of the best score that a further sentence must reach: over fourteen organisations 0.889 of the citations hold
the answer with it and 0.885 with 0.93, over squad2 0.839 and 0.836; 0.833 and 0.837 of the answers hold what was asked
for, and 0.786 over squad2, by the second reader before this one. Without one, on 149 of squad2's questions, 0.886, and
0.878 with 0.85."""
ON_THE_POINT = 2 / 3
"""Share of the best piece's words of the question that a further one must hold."""
SPEAKING = 0.5
"""Share of the best score that a piece which speaks of all that is asked about must have where the best one does not:
what reads best may be of the year before, and what reads far worse does not answer."""
CONTRARY = 0.6
"""Share of the best score from which a sentence that disagrees with a chosen one is shown beside it."""
GOOD_ENOUGH = 0.25
"""Score from which a piece answers a part of a question: of thirty parts those that the documents answer had 0.25 and
more, those that they do not at most 0.2. The best part is answered whatever it has, as the whole question would be."""
LONGEST = 600
"""Characters of all quotes together."""
LONGEST_LIST = 1200
"""Characters of a list that is quoted as a whole."""
LONGEST_LEAD = 250
"""Characters of a sentence that is quoted only because the next one points back to it."""
_PROCEDURE = re.compile(
    r"\bhow (?:do|can|could|should|must|shall|would|to|does|is|are)\b"
    r"|\bwhat (?:should|must|shall|do|does|can) \w+ (?:have to |need to )?do\b"
    r"|\b(?:steps|procedure|process|instructions)\b",
    re.IGNORECASE,
)
"""What asks for a way to do something."""
_STEP = re.compile(r"\s*\(?(\d{1,2})[.)]\s")


class QuoteGenerator:
    """Picks the supporting sentences, rows and lists; needs no language model."""

    name: GeneratorName = "quote"
    model = "extractive"

    def __init__(self, settings: Settings, meaning: Callable[[str], str] = unexplained) -> None:
        self._settings = settings
        self._meaning = meaning
        """What documents say for the terms of a question, cut by semicolons."""

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the chosen sentences, the one that answers best first."""
        passages = passages_of(evidence)
        told: dict[str, None] = {}
        for asked, passage in self._chosen(question, passages, history):
            for line in _lines(asked, passage, passages):
                if line not in told:
                    yield ("\n" if told else "") + line
                    told[line] = None

    def choose(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> list[Passage]:
        """Return the quotable pieces that answer best, the best first; those of each part of a question after another.

        A part of which nothing is good enough is left out: what is said of it would have no passage to stand on.
        """
        return [passage for _, passage in self._chosen(question, passages, history)]

    def _chosen(
        self, question: str, passages: Sequence[Passage], history: Sequence[Message]
    ) -> list[tuple[str, Passage]]:
        """Return the pieces that answer best, each with the part of the question that it answers."""
        passages = of_number(question, of_version(question, passages))
        current = passages if names_a_year(question) else without_replaced_tables(passages)
        rows = rows_meeting(question, current) or rows_named(question, passages)  # one with a rival is not alone
        if rows and sum(len(passage_text(row)) for row in rows) <= LONGEST_LIST:
            return [(question, row) for row in rows]
        found = [(part, *self._answering(part, passages, history)) for part in parts_of(question, history)]
        least = min(GOOD_ENOUGH, max(score for _, score, _ in found))
        pieces: list[tuple[str, Passage]] = []
        for part, score, chosen in found:
            fresh = [new for new in chosen if not any(_same(new, other) for _, other in pieces)]
            pieces += [(part, new) for new in fresh if score >= least]
        if len(found) > 1 and not pieces:
            return [(question, passage) for passage in self._answering(question, passages, history)[1]]
        return pieces

    def _answering(
        self, question: str, passages: Sequence[Passage], history: Sequence[Message]
    ) -> tuple[float, list[Passage]]:
        """Return the pieces that answer one question best, with the score of the best; none where none does."""
        said = frozenset().union(*(content_words(message.content) for message in history))
        said -= own_words(question, history) if said else said
        terms = [term.strip() for term in self._meaning(question).split(";") if term.strip()]
        ranked = rank_passages(question, passages, self._settings, history=history, said=said, terms=terms)
        ranked = [(score, passage) for score, passage in ranked if not _only_asks(passage, passages)]
        unordered, unmet = not_ordered(question, passages), not_meeting(question, passages)
        ranked = [(score, passage) for score, passage in ranked if id(passage) not in unmet]
        if not ranked or id(ranked[0][1]) in unordered:
            return 0.0, []
        ranked = [(score, passage) for score, passage in ranked if id(passage) not in unordered]
        before = ranked
        if not terms:  # the reader has learnt sentences, not what documents call a ratio
            ranked = read_alone(question, ranked, self._settings, history)
        pins, speaking = _speaking(question, passages, ranked)
        if not speaking:
            return 0.0, []
        chosen = _with_namesakes(question, _on_the_point(question, said, _close(speaking)), passages)
        # Only a few pieces were read alone, and what disagrees with a chosen one may not be among them.
        well = {
            id(passage) for found in (before, ranked) for score, passage in found if score >= CONTRARY * found[0][0]
        }
        candidates = [
            passage
            for _, passage in ranked
            if (passage.unit.kind == "row" or id(passage) in well) and speaks_of(pins, passage)
        ]
        chosen = [latest_copy(passage, candidates) for passage in chosen]
        return speaking[0][0], with_rivals(question, chosen, candidates)


def _speaking(
    question: str, passages: Sequence[Passage], ranked: Sequence[tuple[float, Passage]]
) -> tuple[Pins, list[tuple[float, Passage]]]:
    """Return what pins a question and the ranked pieces that speak of it; none where others answer far better.

    "Last year" pins a question only where something speaks of that year.
    """
    evidence = list({id(passage.evidence): passage.evidence for passage in passages}.values())
    for asked in dict.fromkeys((with_last_year(question), question)):
        pins = pinned_by(asked, evidence)
        speaking = [(score, passage) for score, passage in ranked if speaks_of(pins, passage)]
        if speaking and speaking[0][0] >= SPEAKING * ranked[0][0]:
            return pins, speaking
    return frozenset(), []


def _close(speaking: Sequence[tuple[float, Passage]]) -> list[Passage]:
    """Return the best piece and the few further ones that are nearly as good and say another thing."""
    chosen: list[Passage] = []
    for score, passage in speaking:
        if score < CLOSE * speaking[0][0] or len(chosen) >= MOST:
            break
        if any(_same(passage, other) for other in chosen):
            continue
        if chosen and sum(len(passage_text(other)) for other in [*chosen, passage]) > LONGEST:
            continue
        chosen.append(passage)
    return chosen


def _on_the_point(question: str, said: frozenset[str], chosen: Sequence[Passage]) -> list[Passage]:
    """Return the pieces that hold nearly as many of the question's words as the best does, that one first.

    The reader finds both limits of carrying leave over alike; only one of them names the leave that was asked about.
    """
    wanted = content_words(question) - said or content_words(question)
    held = [coverage(wanted, content_words(explained(passage))) for passage in chosen]
    order = sorted(range(len(chosen)), key=lambda index: -held[index])
    best = chosen[order[0]]
    return [
        chosen[index]
        for index in order
        if held[index] >= (1.0 if _beside(best, chosen[index]) else ON_THE_POINT) * max(held)
    ]


def _with_namesakes(question: str, chosen: Sequence[Passage], passages: Sequence[Passage]) -> list[Passage]:
    """Return the chosen pieces, the best row with the others of its table that have its name: a course on two days.

    Only those that hold what the question says of it: "spinning on Thursday" is one of them.
    """
    best, *rest = chosen
    if best.unit.kind != "row" or not best.header:  # without heads the first cell may be anything
        return list(chosen)
    name, said = cells(best.text)[0].casefold(), content_words(question) & content_words(best.text)
    same = [
        row
        for row in passages
        if row.unit.kind == "row"
        and (row.evidence.hit.chunk.document_id, row.header) == (best.evidence.hit.chunk.document_id, best.header)
        and cells(row.text)[0].casefold() == name
        and said <= content_words(row.text)
        and not _same(row, best)
    ]
    together = [best, *same]
    if not name or not content_words(name) & said or sum(len(passage_text(row)) for row in together) > LONGEST_LIST:
        return list(chosen)
    return together + [piece for piece in rest if not any(_same(piece, row) for row in together)]


def _beside(best: Passage, other: Passage) -> bool:
    """Whether a piece is another row of the table of the best one: it is another thing where it is named less well."""
    rows = best.unit.kind == other.unit.kind == "row"
    return rows and best.evidence is other.evidence and best.header == other.header


def _lines(question: str, passage: Passage, passages: Sequence[Passage]) -> list[str]:
    """Return a piece as lines with markers: a list that is asked for as a whole, a sentence after what it points to."""
    marker = f"[{passage.evidence.marker}]"
    whole = _list_of(passage, passages)
    if whole and _asks_for_all(question, passage, whole):
        led = passage.lead or ("" if passage in whole else passage.text)
        told = passage.unit.lead is None and passage in whole and set(words(led)) <= set(words(question))
        lead = f"{flat(led)} {marker}\n" if led and not told else ""  # a heading that the question repeats says nothing
        return (lead + "\n".join(f"{text} {marker}" for text in _items(whole))).split("\n")
    headed = passage.brief and passage.lead[-1:].isalnum()
    if passage.unit.kind == "sentence" and not headed and 0 < len(passage.lead) <= LONGEST_LEAD:
        return [f"{flat(passage.lead)} {marker} {flat(passage.text)} {marker}"]
    if passage.antecedent:
        text = flat(passage.text)
        return [f"{explained(passage).removesuffix(text).strip()} {marker} {text} {marker}"]
    return [f"{passage_text(passage)} {marker}"]


def _only_asks(passage: Passage, passages: Sequence[Passage]) -> bool:
    """Whether a piece is a question: it answers none, but may lead into a list that does."""
    return passage.text.rstrip(" *_\"'”»)").endswith("?") and not _list_of(passage, passages)


def _list_of(passage: Passage, passages: Sequence[Passage]) -> list[Passage]:
    """Return the items of the list that a piece belongs to or leads into; nothing where it is too long to quote."""
    listed = passage.unit.listed
    if listed is None or listed[1] - listed[0] > LONGEST_LIST:
        return []
    return [
        other
        for other in passages
        if other.evidence is passage.evidence and other.unit.kind == "item" and other.unit.listed == listed
    ]


def _items(whole: Sequence[Passage]) -> list[str]:
    """Return the items of a list, each after its number or a dash, the sentences of one item joined.

    Markdown lists whose items all say "1." count on from the first, as a page shows them.
    """
    told: list[str] = []
    number = 0
    for before, item in zip([None, *whole], whole, strict=False):
        text = item.evidence.hit.chunk.text
        if before is not None and "\n" not in text[before.unit.end : item.unit.start]:
            told[-1] += f" {flat(item.text)}"
        else:
            step = _step(item)
            number = max(number + 1, int(step[1])) if step else number
            mark = step[0].strip().replace(step[1], str(number)) if step else "-"
            told.append(f"{mark} {flat(item.text)}")
    return told


def _asks_for_all(question: str, passage: Passage, whole: Sequence[Passage]) -> bool:
    """Whether a question asks for a list, not for one item: the item alone adds no word of the question to its lead."""
    if passage.unit.kind != "item":
        return True
    if fits(question, passage.text):
        return False
    if _PROCEDURE.search(question) and sum(_step(item) is not None for item in whole) > 1:
        return True  # steps in order: one of them alone is no way to do it
    wanted = content_words(question)
    if not passage.lead.rstrip(" *_").endswith(":") and wanted <= content_words(passage.text):
        return False  # the rules of a section below its title are no list that the title leads into
    lead = content_words(passage.lead) & wanted
    others = frozenset().union(*(content_words(item.text) for item in whole if item is not passage))
    return bool(lead) and not (content_words(passage.text) & wanted) - lead - others


def _step(item: Passage) -> re.Match[str] | None:
    """Return the number that an item of a list begins with."""
    text = item.evidence.hit.chunk.text
    return _STEP.match(text[text.rfind("\n", 0, item.unit.start) + 1 :])


def _same(one: Passage, other: Passage) -> bool:
    """Whether two pieces are the same words, as overlapping chunks make them."""
    return flat(one.text).casefold() == flat(other.text).casefold()
