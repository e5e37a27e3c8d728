"""An organisation's own rows for the rail that marks orders: which sentences they are, training on them, and scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import InvalidInput
from guardrails.indirect_injection import sentences
from models.tagging import OUTSIDE, peaks_within
from tuning.order_rows import ORDER

if TYPE_CHECKING:
    from torch import Tensor

    from tuning.classifier import Base, Options, Trained
    from tuning.classifier_report import Scores
    from tuning.classifier_rows import Row
    from tuning.tagger import Span, TaggedRow

LABELS = (OUTSIDE, ORDER)


@dataclass(frozen=True, slots=True)
class Marks:
    """Where orders stand, by text."""

    spans: Mapping[str, tuple[Span, ...]]

    @classmethod
    def read(cls, path: Path) -> Marks:
        """Read `spans` ([[start, end], …]) or `attack`, the order as it stands in the text, of every injected row.

        Raises:
            InvalidInput: a row is injected and does not say where.
        """
        found: dict[str, tuple[Span, ...]] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if line.strip():
                row = json.loads(line)
                text = str(row.get("text") or row.get("context") or "")
                found[text] = _spans(row, text)
                if row.get("label", row.get("injected")) and not found[text]:
                    raise InvalidInput(
                        f"{path}, line {number}: it is injected, but where? Give `spans`, or the order as `attack`"
                    )
        return cls(found)

    def train(
        self,
        rows: Sequence[Row],
        base: Base,
        options: Options,
        *,
        held_out: Sequence[Row] = (),
        start: Mapping[str, Tensor] | None = None,
    ) -> Trained:
        """Train on all epochs; held-out rows stop nothing here."""
        from tuning.tagger import train_tagger

        return train_tagger([self._tagged(row) for row in rows], LABELS, base, options, start=start)

    def predict(self, rows: Sequence[Row], tensors: Mapping[str, Tensor], base: Base, options: Options) -> Scores:
        """Return the score of each text: that of the sentence likeliest to give an order, shape (n,)."""
        from tuning.tagger import tag

        told = tag([self._tagged(row) for row in rows], tensors, LABELS, base, options)
        return np.array([passage_score(row.second, *one) for row, one in zip(rows, told, strict=True)])

    def _tagged(self, row: Row) -> TaggedRow:
        from tuning.tagger import TaggedRow

        return TaggedRow(row.second, self.spans[row.second] if row.label >= 0.5 else (), row)


def passage_score(text: str, offsets: Sequence[tuple[int, int]], probabilities: Sequence[Sequence[float]]) -> float:
    """Return the score of the sentence that is likeliest to give an order."""
    return max(peaks_within(sentences(text), offsets, [1.0 - row[0] for row in probabilities]), default=0.0)


def _spans(row: Mapping[str, Any], text: str) -> tuple[Span, ...]:
    attack = str(row.get("attack") or "")
    given = [(int(span[0]), int(span[1])) for span in row.get("spans") or ()]
    if not given and attack and attack in text:
        given = [(text.index(attack), text.index(attack) + len(attack))]
    return tuple((start, end, ORDER) for start, end in given)
