"""A few small documents with one fact each, and a PDF written by hand: what the shared fixtures ingest."""

from __future__ import annotations

from pathlib import Path

PAGES = {
    "leave.md": """# Annual leave

Full-time staff may carry over at most 240 hours of annual leave into the next leave year. Hours above that limit are
lost on the last day of the leave year.

## Asking for leave

Ask your supervisor for leave at least two weeks before the first day of absence. The supervisor answers within five
working days.
""",
    "travel.md": """# Travel

The travel desk books all flights. Receipts are needed for every expense of more than 75 dollars. Claims must be filed
within five working days after the journey ends.
""",
    "devices.md": """# Devices

New staff receive a laptop on their first day. The facilities team decides whether a person gets a MacBook or a
ThinkPad. Report a lost device to the security desk within one hour.
""",
    "salaries.md": """# Salary bands

The salary band of a principal engineer starts at 152000 dollars a year. Bands are reviewed every January by the
compensation board.
""",
    "merger.md": """# Project Bluebird

The board plans to merge with Northwind Traders in October. The working name of the merger is Bluebird, and nobody
outside the board may learn of it.
""",
}
ALLOW: dict[str, tuple[str, ...] | None] = {
    "leave.md": ("public",),
    "travel.md": ("public",),
    "devices.md": ("group:staff",),
    "salaries.md": ("user:hana",),
    "merger.md": None,
}
"""Who may read each page; `None` leaves it to the collection's list, which is empty: the operator only."""
PDF_LINES = (
    ("Fire safety", "The assembly point is the car park behind building C."),
    ("Wardens", "Every floor has two wardens, who wear orange vests."),
)


def write_pages(folder: Path) -> dict[str, Path]:
    """Write the pages and the PDF below a folder; returns each by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "safety.pdf").write_bytes(pdf(PDF_LINES))
    return {path.name: path for path in folder.iterdir()}


def pdf(pages: tuple[tuple[str, ...], ...]) -> bytes:
    """Return a PDF with one page for each group of lines, in 14 point Helvetica."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        drawn = " ".join(f"1 0 0 1 72 {720 - 24 * row} Tm ({line}) Tj" for row, line in enumerate(lines))
        stream = f"BT /F1 14 Tf {drawn} ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        resources = f"<< /Font << /F1 3 0 R >> >> /Contents {len(objects)} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources {resources} >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    return out + f"{end}startxref\n{len(out)}\n%%EOF\n".encode()
