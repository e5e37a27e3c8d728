"""Parsing on real and hostile files: what each file is expected to give, and what it gave."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import AttestError, Encrypted, IngestError, TooLarge
from core.settings import IngestSettings
from evals import metrics
from evals.cases import limited, listed, rows_with
from evals.home import throwaway_home
from evals.progress import tracked
from ingest.parse import parse_file
from ingest.parsed import ParsedDocument
from ingest.sandbox import ParserPool

SECRET_OF_EXTERNAL_FILES = ("root:x:", "/bin/bash", "daemon:")  # what an entity that reads /etc/passwd would bring in
ODD_NAME = "R\u00e9sum\u00e9 \u202efdp.txt"  # accents, a space and a right-to-left override


@dataclass(frozen=True, slots=True)
class Parsed:
    """What parsing one file gave: its text (attachments included), or the error that says why not."""

    text: str
    error: AttestError | None
    seconds: float

    @property
    def clean_error(self) -> bool:
        """Whether it failed with an error of ours that names the file's fault."""
        return isinstance(self.error, IngestError | TooLarge)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to read."""
        return self.error is None and bool(self.text.strip())

    def describe(self) -> str:
        """Say in a word or two what came out."""
        return f"{self.error.kind}: {self.error}" if self.error else f"{len(self.text.strip())} characters"


@dataclass(frozen=True, slots=True)
class Parser:
    """The product's own sandboxed parsing, its worker kept warm between files."""

    settings: IngestSettings
    pool: ParserPool

    def read(self, path: Path, password: str | None) -> ParsedDocument:
        """Parse one file with its attachments."""
        return parse_file(path, self.settings, password, pool=self.pool)


def measure_parsing(manifest: Path, limit: int | None) -> dict[str, Any]:
    """Parse every file of a manifest and compare with what it expects."""
    rows = limited(rows_with(manifest, "file", "expect"), limit)
    failed: list[dict[str, Any]] = []
    recalls: dict[str, list[float | None]] = {"text": [], "ocr": []}
    slowest = 0.0
    started = time.perf_counter()
    with throwaway_home() as settings, ParserPool(settings.ingest, workers=1) as pool:
        parser = Parser(settings.ingest, pool)
        for row in tracked(rows, "parse"):
            parsed = parse_as_meant(manifest.parent / str(row["file"]), parser, row)
            slowest = max(slowest, parsed.seconds)
            if complaint := judge(row, parsed, manifest.parent, parser):
                failed.append({"file": row["file"], "expect": row["expect"], "got": complaint})
            recalls["ocr" if row["expect"] == "ocr" else "text"].append(recall(row, parsed, manifest.parent))
    return {
        "files": len(rows),
        "passed": len(rows) - len(failed),
        "failed": failed,
        "token_recall": metrics.mean([*recalls["text"], *recalls["ocr"]]),
        "token_recall_text": metrics.mean(recalls["text"]),
        "token_recall_ocr": metrics.mean(recalls["ocr"]),
        "silent_empties": sum(row["got"] == SILENT for row in failed),
        "slowest_s": slowest,
        "seconds": time.perf_counter() - started,
    }


SILENT = "no text and no error"


def parse(path: Path, parser: Parser, row: Mapping[str, Any], password: str | None = None) -> Parsed:
    """Parse one file as ingestion does; a file whose name is the trap is parsed under that name."""
    started = time.perf_counter()
    try:
        if "file name" in str(row.get("note") or ""):
            with tempfile.TemporaryDirectory() as folder:
                odd = Path(folder) / ODD_NAME
                shutil.copyfile(path, odd)
                text = whole_text(parser.read(odd, password))
        else:
            text = whole_text(parser.read(path, password))
    except AttestError as error:
        return Parsed("", error, time.perf_counter() - started)
    return Parsed(text, None, time.perf_counter() - started)


def parse_as_meant(path: Path, parser: Parser, row: Mapping[str, Any]) -> Parsed:
    """Parse one file, with its password where text is expected of a file that only opens with it."""
    parsed = parse(path, parser, row)
    if isinstance(parsed.error, Encrypted) and row["expect"] == "text" and row.get("password"):
        return parse(path, parser, row, password=str(row["password"]))
    return parsed


def whole_text(document: ParsedDocument) -> str:
    """Return a document's text followed by that of its attachments."""
    return "\n".join([document.text, *(whole_text(child) for child in document.children)])


def judge(row: Mapping[str, Any], parsed: Parsed, folder: Path, parser: Parser) -> str | None:
    """Return what is wrong with an outcome, `None` where it is as expected."""
    if row["expect"] not in EXPECTED:
        return f"nothing that may be expected, which is one of: {', '.join(EXPECTED)}"
    if not (folder / str(row["file"])).exists():
        return "no such file"  # or its absence would pass for a clean error
    if parsed.error is None and not parsed.has_text:
        return SILENT  # text lost in silence is wrong whatever was expected
    if not _outcomes(parsed)[str(row["expect"])]:
        return parsed.describe()
    missing = [text for text in listed(row.get("must_contain")) if text not in parsed.text]
    if missing and parsed.has_text:
        return f"without {missing[0]!r}"
    return _opens(row, folder, parser)


def _outcomes(parsed: Parsed) -> dict[str, bool]:
    """Say of each thing that a row may expect whether it is what came out."""
    text, clean = parsed.has_text, parsed.clean_error
    leaked = any(secret in parsed.text for secret in SECRET_OF_EXTERNAL_FILES)
    return {
        "text": text,
        "ocr": text,
        "password": isinstance(parsed.error, Encrypted) or clean,
        "password_or_text": text or clean,
        "restricted": text or clean,
        "encrypted_mail": text or clean,
        "empty": clean,
        "clean_error": clean,
        "text_or_clean_error": text or clean,
        "text_or_unsupported": text or clean,
        "unsupported": clean,
        "bounded": text or clean,
        "no_external_fetch": (text or clean) and not leaked,
        "no_path_escape": (text or clean) and not leaked,
        "no_crash": text or clean,
    }


EXPECTED = tuple(_outcomes(Parsed("", None, 0.0)))


def _opens(row: Mapping[str, Any], folder: Path, parser: Parser) -> str | None:
    """Say what is wrong where a password is known and does not open the file."""
    if row["expect"] != "password" or not row.get("password"):
        return None
    opened = parse(folder / str(row["file"]), parser, row, password=str(row["password"]))
    return None if opened.has_text else f"with its password: {opened.describe()}"


def recall(row: Mapping[str, Any], parsed: Parsed, folder: Path) -> float | None:
    """Return the share of the reference text's tokens that parsing found; a failure found none."""
    reference = row.get("expected_text")
    if not reference or not (folder / str(reference)).is_file():
        return None
    wanted = (folder / str(reference)).read_text(encoding="utf-8", errors="replace")
    return metrics.token_recall(parsed.text, wanted)
