"""A collection's rail policy holds for what is ingested into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.db.session import Database
from core.settings import RailSettings, Settings
from guardrails.rails import Rails
from ingest.cli import _Lazy
from ingest.quality import Scan
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest, ingest_texts
from models.adapters import Classifier
from models.encoder import Encoder

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
TEXT = f"The token of the build server is {TOKEN}."
POLICY = {"secrets": {"collections": {"public": "block"}}, "indirect_injection": {"enabled": False}}
RAILS = RailSettings.model_validate({"policy": POLICY})


def server_scan(settings: Settings) -> Scan:
    return Rails.open(settings, Classifier("cpu", settings.home)).scan_document


def command_scan(settings: Settings) -> Scan:
    return _Lazy(settings).scan


@pytest.mark.parametrize("opened", [server_scan, command_scan])
@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize(("collection", "held"), [("public", True), ("staff", False)])
def test_a_document_is_judged_by_the_policy_of_its_collection(
    docs: Path,
    database: Database,
    settings: Settings,
    encoder: Encoder,
    opened: object,
    records: bool,
    collection: str,
    held: bool,
) -> None:
    settings = settings.model_copy(update={"rails": RAILS})
    scan = opened(settings)  # type: ignore[operator]
    options = IngestOptions(collection=collection)
    if records:
        rows = [TextRecord("build", TEXT)]
        report = ingest_texts(rows, options, database=database, settings=settings, encoder=encoder, scan=scan)
    else:
        (docs / "build.txt").write_text(TEXT)
        report = ingest([docs], options, database=database, settings=settings, encoder=encoder, scan=scan)
    assert [row["reason"] for row in report.quarantined] == (["secrets: github_token"] if held else [])
    assert report.flagged == {"secrets": 1}
