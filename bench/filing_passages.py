"""Cut company filings into the passages that the product makes of them, for questions to be asked of.

    python -m bench.filing_passages --data DATA --out filings.jsonl

`tuning.answerable_data --filings` joins them to the questions of `tuning/filings`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.settings import load_settings
from ingest.chunk import chunk
from ingest.clean import assemble
from ingest.parsers.dispatch import parse
from ingest.parsers.request import ParseRequest
from ingest.tokens import TokenCounter
from models.encoder import load_encoder
from tuning.passages_data import write_rows

SECONDS = 120.0
"""For one filing; the longest takes three."""


def passages(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the chunks of every PDF of a folder under their headings, as the readers see them, with file and number."""
    settings = load_settings(Path("/nonexistent"))
    encoder = load_encoder(settings.embedder)
    tokens = TokenCounter(encoder.token_spans)
    for path in sorted(folder.glob("*.pdf")):
        with tempfile.TemporaryDirectory() as spool:
            raw = parse(ParseRequest(path, path.name, Path(spool), SECONDS, ocr=False))
            found = chunk(assemble(raw, path.stem), settings.ingest, tokens, encoder.max_tokens)
        for number, one in enumerate(found):
            yield {
                "filing": path.stem,
                "number": number,
                "text": f"{one.heading}\n{one.text}" if one.heading else one.text,
            }


def main() -> None:
    """Write the passages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    print(write_rows(given.out, passages(given.data / "financebench/docs")))


if __name__ == "__main__":
    main()
