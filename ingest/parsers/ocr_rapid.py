"""RapidOCR (PP-OCR): needs nothing but its package; some 5 s a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from core.errors import MissingExtra
from ingest.parsers.ocr_order import Corners, Level, Piece, levelled, slope
from ingest.parsers.request import ParseRequest

UPRIGHT_CONFIDENCE = 0.85
"""Upright print reads at 0.97, a bad scan of it at 0.9, upside down at 0.7."""
SECOND_LOOK_S = 15.0
TALL = 1.5  # times as high as wide is a line of a page that lies on its side


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on a picture, in its pixels."""

    texts: Sequence[str] = ()
    corners: Sequence[Corners] = ()
    confidence: float = 0.0

    @property
    def level(self) -> Level:
        """How the page is turned for its rows to be level."""
        return Level(slope(self.corners))

    def pieces(self, scale: float) -> list[Piece]:
        """Return the runs of print on the page turned level, divided by `scale`."""
        angle = self.level.angle
        scaled = [[(x / scale, y / scale) for x, y in one] for one in self.corners]
        return [levelled(text, one, angle) for text, one in zip(self.texts, scaled, strict=True)]


def read(image: Any, request: ParseRequest) -> tuple[Found, int]:
    """Return what stands on a picture, and by how many degrees it had to be turned, against the clock, to be upright.

    Raises:
        MissingExtra: the package is not installed.
    """
    found, turn = _look(image), 0
    lies = _lies(found)
    if lies:  # the engine turns tall lines against the clock by itself: what reads well so is upright that way
        turn = 90 if found.confidence >= UPRIGHT_CONFIDENCE else 270
    elif found.texts and found.confidence < UPRIGHT_CONFIDENCE:
        turn = 180
    if not turn or request.seconds_left() < SECOND_LOOK_S:
        return found, 0
    other = _look(image.rotate(turn, expand=True))
    return (other, turn) if lies or other.confidence > found.confidence else (found, 0)


def _lies(found: Found) -> bool:
    """Tell whether most of the print runs up or down."""
    letters = [(len(text), _tall(corners)) for text, corners in zip(found.texts, found.corners, strict=True)]
    return sum(count for count, tall in letters if tall) > sum(count for count, tall in letters if not tall)


def _tall(corners: Corners) -> bool:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return max(ys) - min(ys) > TALL * (max(xs) - min(xs))


def _look(image: Any) -> Found:
    import numpy

    result = _engine()(numpy.asarray(image))
    if result is None or result.txts is None:
        return Found()
    corners = [[(float(x), float(y)) for x, y in four] for four in result.boxes]
    scores = [float(score) for score in result.scores]
    return Found(list(result.txts), corners, round(sum(scores) / len(scores), 3) if scores else 0.0)


@lru_cache(maxsize=1)
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise MissingExtra("ocr", "rapidocr") from error
    # 1,440 pixels read as well as its 2,000, a line at a time is faster than six padded ones: 0.6 GB instead of 0.9.
    # Its model for print upside down turns a tenth of the upright lines, and those are lost.
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.max_side_len": 1440,
            "Global.use_cls": False,
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # there are as many parsers as cores
        }
    )
