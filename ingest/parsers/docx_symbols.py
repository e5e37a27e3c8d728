"""Characters of fonts that are no letters: Word writes them as places in the font, and no reader knows the font."""

from __future__ import annotations

_GREEK = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
_SIGNS = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
_FONTS: dict[str, dict[int, str]] = {
    "symbol": dict(enumerate(_GREEK, start=0x20)) | dict(enumerate(_SIGNS, start=0xA0)),
    "wingdings": {
        0x28: "☎", 0x2A: "✉", 0x4A: "☺", 0x6C: "●", 0x6E: "■", 0x6F: "☐", 0x71: "☐", 0x76: "❖", 0x78: "☒", 0x9F: "•",
        0xA7: "▪", 0xA8: "☐", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF3: "↔",
        0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
    },
    "wingdings 2": {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0xA3: "☐"},
}  # fmt: skip
"""Of Wingdings what carries a meaning: ticks, boxes, arrows and bullets."""
_PLACES = range(0xF000, 0xF100)
"""Where in Unicode's private area Word puts the places of such a font."""


def symbol(font: str, code: str) -> str:
    """Return the character that a font has at a place, written in hexadecimal; nothing for one that is not known."""
    try:
        place = int(code, 16)
    except ValueError:
        return ""
    known = _FONTS.get(font.strip().lower())
    if known is not None:
        return known.get(place & 0xFF if place in _PLACES else place, "")
    return "" if place in _PLACES or not 0x20 <= place < 0xD800 else chr(place)


def spelled(text: str, font: str) -> str:
    """Return a run's text with the places of its font replaced by their characters."""
    known = _FONTS.get(font.strip().lower())
    if known is None or text.isascii():
        return text
    return "".join(known.get(ord(one) & 0xFF, one) if ord(one) in _PLACES else one for one in text)
