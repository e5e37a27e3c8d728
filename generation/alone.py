"""The pieces of the evidence that rank first, each read once more without what stands around it.

A passage on closing times answers when the shop closes, and so do all its sentences until each is read alone. The
second reader has learnt lone sentences; its word of the first few pieces decides among them, what they had before for
the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.settings import Settings
from core.types import Message
from core.words import content_words
from generation.passages import Passage, explained
from generation.readings import in_tiers, read_each, reads_again
from generation.rewrite import heard
from generation.tables import named_rows

READ = 5
"""Pieces read alone; six and ten find no more."""
SHARE = 0.5
"""Of what is said of a piece alone in its score. With 0.5, 0.6 and 0.7 the chosen pieces hold 0.83, 0.84 and 0.85 of
the answers over fourteen organisations and 0.70, 0.70 and 0.72 in talks; over squad2 among distractors, whose
sentences lean on those before, 0.796 of the citations are right with 0.5 and 0.792 with 0.7. Read after the one before
it, a sentence is judged no better."""
SPREAD = 3.0
"""Logits that count for one: by how much more one piece answers than another matters less than whether it does."""


def read_alone(
    question: str,
    ranked: Sequence[tuple[float, Passage]],
    settings: Settings,
    history: Sequence[Message] = (),
) -> list[tuple[float, Passage]]:
    """Return ranked pieces by what the second reader says of the first few alone; as they are where none reads."""
    from models.second_reader import load_second_reader

    if len(ranked) < 2 or not reads_again(settings):
        return list(ranked)
    first, rest = ranked[:READ], ranked[READ:]
    reader = load_second_reader(settings.embedder)
    asked = heard(question, history)
    asks = [in_tiers(asked, passage.evidence) for _, passage in first]
    read = read_each(asks, [_alone(passage) for _, passage in first], reader.read)
    logits = _together(question, [passage for _, passage in first], [reading.logit for reading in read])
    best = first[0][0]
    scores = [
        (1 - SHARE) * score + SHARE * best / (1 + math.exp(-logit / SPREAD))
        for (score, _), logit in zip(first, logits, strict=True)
    ]
    told = [(score, passage) for score, (_, passage) in zip(scores, first, strict=True)]
    told += [((1 - SHARE) * score, passage) for score, passage in rest]
    return sorted(told, key=lambda pair: -pair[0])


def _together(question: str, passages: Sequence[Passage], logits: Sequence[float]) -> list[float]:
    """Return the logits, the highest for all rows of a table that a question names: it compares them."""
    tables = [(p.evidence.marker, p.header) if p.unit.kind == "row" else None for p in passages]
    rows = [(table, passage.text) if table else None for table, passage in zip(tables, passages, strict=True)]
    named = named_rows(content_words(question), rows)
    told = list(zip(logits, tables, named, strict=True))
    best: dict[object, float] = {}
    for logit, table, compared in told:
        if compared:
            best[table] = max(best.get(table, logit), logit)
    return [best[table] if compared else logit for logit, table, compared in told]


def _alone(passage: Passage) -> str:
    """Return a piece under the heading of its passage, as a quote would have it."""
    hit = passage.evidence.hit
    above = hit.chunk.heading.partition("\n")[0] or hit.title
    return f"{above}\n{explained(passage)}" if above else explained(passage)
