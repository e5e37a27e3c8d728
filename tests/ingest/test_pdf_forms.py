"""Forms filled in and notes typed over a page: read where they stand."""

from __future__ import annotations

FONT = "/Resources<</Font<</F1 3 0 R>>>>"


def made(*objects: str) -> bytes:
    """Return a PDF of numbered objects; the first is its catalog."""
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(objects) + 1
    trailer = f"trailer<</Size {count}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    out += f"xref\n0 {count}\n0000000000 65535 f \n{table}{trailer}"
    return out.encode("latin-1")


def stream(content: str, entries: str = "") -> str:
    return f"<<{entries}/Length {len(content)}>>\nstream\n{content}\nendstream"


def form(
    *annotations: tuple[str, str, str], printed: str, form: str = "/AcroForm<</Fields[{}]{}>>", need: str = ""
) -> bytes:
    """Return a page of printed text and annotations.

    Each is (rectangle, the text that it shows, further entries); what shows no text has no appearance of its own.
    """
    bodies, names = [], []
    for rectangle, text, entries in annotations:
        name = 6 + len(bodies)
        left, bottom, right, top = map(int, rectangle.split())
        shape = f"/Type/XObject/Subtype/Form/BBox[0 0 {right - left} {top - bottom}]{FONT}"
        shown = f"/AP<</N {name + 1} 0 R>>" if text else ""
        kind = (
            entries
            if "/Subtype" in entries
            else f"/Subtype/Widget/DA(/F1 11 Tf){entries}" + ("" if "/F " in entries else "/F 4")
        )
        bodies += [f"<</Type/Annot/P 4 0 R/Rect[{rectangle}]{kind}{shown}>>"]
        bodies += [stream(f"BT /F1 11 Tf 2 5 Td ({text}) Tj ET", shape)]
        names.append(f"{name} 0 R")
    fields = form.format(" ".join(names), need + "/DR<</Font<</F1 3 0 R>>>>") if form else ""
    return made(
        f"<</Type/Catalog/Pages 2 0 R{fields}>>",
        "<</Type/Pages/Count 1/Kids[4 0 R]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Annots[{' '.join(names)}]{FONT}>>",
        stream(printed),
        *bodies,
    )


LABELS = (
    "BT /F1 11 Tf 72 700 Td (Request for leave, to be handed in early) Tj 0 -40 Td (Employee:) Tj "
    "0 -40 Td (Days wanted:) Tj 200 0 Td (Until:) Tj ET"
)


def text_field(rectangle: str, value: str, shown: bool = True) -> tuple[str, str, str]:
    return rectangle, value if shown else "", f"/FT/Tx/T(f{rectangle})/V({value})"


def test_values_of_a_form_stand_behind_their_labels(read) -> None:
    fields = (
        text_field("150 655 260 671", "Ana Koch"),
        text_field("150 615 260 631", "19 days"),
        text_field("310 615 420 631", "6 June"),
    )
    found = read("a.pdf", form(*fields, printed=LABELS))
    assert found.text.split("\n\n")[1:] == ["Employee: Ana Koch", "Days wanted: 19 days Until: 6 June"]
    quoted = {found.text[start:end]: (y0, y1) for start, end, _, _, y0, _, y1 in found.layout}
    assert 110 < quoted["Employee: Ana Koch"][0] < quoted["Employee: Ana Koch"][1] < 150


def test_forms_filled_in_otherwise_are_other_texts(read) -> None:
    one, other = (
        read("a.pdf", form(text_field("150 655 260 671", name), printed=LABELS)).text
        for name in ("Ana Koch", "Ben Roth")
    )
    assert one != other


def test_values_that_the_viewer_has_to_draw_are_read(read) -> None:
    field = text_field("150 655 260 671", "Ana Koch", shown=False)
    assert "Employee: Ana Koch" in read("a.pdf", form(field, printed=LABELS, need="/NeedAppearances true")).text


def test_a_value_below_its_label_and_one_of_several_lines(read) -> None:
    below = text_field("72 640 260 656", "Ana Koch")
    lines = ("310 595 500 631", ") Tj 0 16 Td (5 June or) Tj 0 -16 Td (until 6 June", "/FT/Tx/T(u)")
    found = " ".join(read("a.pdf", form(below, lines, printed=LABELS)).text.split())
    assert "Employee: Ana Koch Days wanted: Until: 5 June or until 6 June" in found


def test_a_note_typed_over_a_page_without_a_form_is_read(read) -> None:
    note = ("300 655 500 671", "Refused on 3 May", "/Subtype/FreeText/DA(/F1 11 Tf)/Contents(Refused on 3 May)")
    assert "Refused on 3 May" in read("a.pdf", form(note, printed=LABELS, form="")).text


def test_captions_of_buttons_and_hidden_fields_are_not_read(read) -> None:
    button = ("150 655 260 671", "Print this form", "/FT/Btn/Ff 65536/T(print)")
    hidden = ("150 615 260 631", "Old value", "/FT/Tx/T(old)/V(Old value)/F 2")
    text = read("a.pdf", form(button, hidden, text_field("310 615 420 631", "6 June"), printed=LABELS)).text
    assert "Until: 6 June" in text
    assert "Print" not in text
    assert "Old" not in text
