"""A page of a document as an image, with the cited lines framed."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence

from core.types import Box
from ui.escape import text

PNG = b"\x89PNG\r\n\x1a\n"
POINTS_PER_INCH = 72.0


def page_html(image: bytes, boxes: Sequence[Box], caption: str, *, dots_per_inch: float = 144.0) -> str:
    """Return a figure of a PNG page with boxes (PDF points, top-left origin) laid over it.

    `dots_per_inch` is the resolution at which the API draws pages.

    Raises:
        ValueError: `image` is not a PNG.
    """
    width, height = png_size(image)
    scale = dots_per_inch / POINTS_PER_INCH
    frames = "".join(
        f'<span class="box" style="left:{100 * box.x0 * scale / width:.3f}%;top:{100 * box.y0 * scale / height:.3f}%;'
        f"width:{100 * (box.x1 - box.x0) * scale / width:.3f}%;"
        f'height:{100 * (box.y1 - box.y0) * scale / height:.3f}%"></span>'
        for box in boxes
    )
    data = base64.b64encode(image).decode("ascii")
    return (
        f'<figure class="page"><div class="sheet"><img alt="{text(caption)}" src="data:image/png;base64,{data}">'
        f"{frames}</div><figcaption>{text(caption)}</figcaption></figure>"
    )


def png_size(image: bytes) -> tuple[int, int]:
    """Return width and height in pixels of a PNG, from its header.

    Raises:
        ValueError: the bytes are not a PNG.
    """
    if len(image) < 24 or not image.startswith(PNG) or image[12:16] != b"IHDR":
        raise ValueError("not a PNG image")
    width, height = struct.unpack(">II", image[16:24])
    if not width or not height:
        raise ValueError("an empty image")
    return width, height
