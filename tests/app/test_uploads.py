"""What may be uploaded for whom, and how an upload ends that cannot succeed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest

from app.metrics import Metrics
from app.runs import show_run
from app.runtime import Runtime
from app.upload_request import UploadRequest, upload_request
from app.uploads import Uploads
from core.errors import InvalidInput, StoreUnavailable
from core.types import OPERATOR, Principal
from ingest.documents import document_text, list_documents
from ingest.runs import RunRecord

ANA = Principal("user:ana", frozenset({"group:staff"}))


def test_readers_share_with_themselves_and_their_groups_only() -> None:
    assert upload_request(ANA, None, ["group:staff"], ["a.md"]).allow == ("group:staff", "user:ana")
    for other in ("public", "group:hr"):
        with pytest.raises(InvalidInput, match="yourself and your groups only"):
            upload_request(ANA, None, [other], ["a.md"])
    assert upload_request(OPERATOR, None, ["public"], ["a.md"]).allow == ("public",)


@pytest.mark.parametrize("collection", ["x" * 201, "a\nb", " "])
def test_a_collection_that_cannot_be_made_is_refused_before_anything_is_kept(collection: str) -> None:
    with pytest.raises(InvalidInput, match="one line of 1 to 200 characters"):
        upload_request(OPERATOR, collection, None, ["a.md"])


def test_files_of_one_name_would_replace_each_other() -> None:
    with pytest.raises(InvalidInput, match=r"several files are named report\.md"):
        upload_request(OPERATOR, None, None, ["a/report.md", "other.md", "b/report.md"])


def test_a_run_that_can_never_succeed_says_why_and_is_not_tried_again(runtime: Runtime) -> None:
    uploads = Uploads(runtime, Metrics())
    request = UploadRequest(OPERATOR.name, True, "x" * 300, None, ("a.md",))
    run_id = uploads.accept(request, [io.BytesIO(b"# A\n\nSome words of it.\n")])
    uploads.close(60)
    run = show_run(runtime, uploads, OPERATOR, run_id)
    assert (run["state"], run["added"]) == ("failed", 0)
    assert [(one["source"], one["kind"]) for one in run["failed"]] == [("uploads/a.md", "permanent")]
    assert "one line of 1 to 200 characters" in run["failed"][0]["message"]
    assert run["finished_at"] is not None
    assert list(uploads.folder.iterdir()) == []


def text(words: str) -> list[io.BytesIO]:
    return [io.BytesIO(f"# Shed\n\n{words}\n".encode())]


def accepted(uploads: Uploads, words: str, *, name: str = "shed.md") -> str:
    """Let an upload be acknowledged by a server that dies before it begins."""
    return uploads.accept(upload_request(OPERATOR, None, ["public"], [name]), text(words))


@pytest.fixture
def dying(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Uploads:
    uploads = Uploads(runtime, Metrics())
    monkeypatch.setattr(uploads, "_enqueue", lambda run_id: None)
    return uploads


def shed(runtime: Runtime) -> str:
    rows = list_documents(runtime.database, OPERATOR)
    document = next(row["id"] for row in rows if row["source"] == "uploads/shed.md")
    return document_text(runtime.database, document, OPERATOR)


def resumed(runtime: Runtime) -> Uploads:
    uploads = Uploads(runtime, Metrics())
    uploads.resume()
    uploads.close(60)
    return uploads


def test_what_was_left_is_taken_up_in_the_order_of_its_acknowledgement(
    runtime: Runtime, dying: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, words in (("f" * 32, "It opens at eight."), ("0" * 32, "It opens at nine.")):
        monkeypatch.setattr("app.uploads.uuid.uuid4", lambda name=name: UUID(name))
        accepted(dying, words)
    monkeypatch.undo()
    resumed(runtime)
    assert "nine" in shed(runtime)


def test_what_was_never_acknowledged_is_not_taken_up(runtime: Runtime, dying: Uploads) -> None:
    run_id = accepted(dying, "It opens at eight.")
    (dying.folder / run_id).rename(dying.folder / f".{run_id}")
    uploads = resumed(runtime)
    assert show_run(runtime, uploads, OPERATOR, run_id)["state"] == "queued"
    assert all(row["source"] != "uploads/shed.md" for row in list_documents(runtime.database, OPERATOR))


@pytest.mark.parametrize("place", ["ingest.committing.commit_documents", "ingest.run.RunRecord.start"])
def test_an_upload_that_cannot_be_kept_just_now_waits_and_gets_in(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    full = True
    module, _, name = place.rpartition(".")
    holder = RunRecord if name == "start" else import_module(module)
    whole = getattr(holder, name)

    def failing(*arguments: Any, **options: Any) -> Any:
        if full:
            raise StoreUnavailable("the disk is full")
        return whole(*arguments, **options)

    monkeypatch.setattr(holder, name, failing)
    monkeypatch.setattr("app.upload_queue.FIRST_PAUSE_S", 0.05)
    uploads = Uploads(runtime, Metrics())
    run_id = accepted(uploads, "It opens at eight.")
    run = until(lambda: show_run(runtime, uploads, OPERATOR, run_id), lambda run: run.get("attempts", 0) > 1)
    assert (run["state"], run["error"]["kind"]) == ("queued", "StoreUnavailable")
    assert "the disk is full" in run["error"]["message"]
    assert run["finished_at"] is None
    assert uploads.waiting == 1
    full = False
    run = until(lambda: show_run(runtime, uploads, OPERATOR, run_id), lambda run: run["state"] == "done")
    assert (run["added"], run["failed"], uploads.waiting) == (1, [], 0)
    uploads.close(10)
    assert "eight" in shed(runtime)


def test_an_older_file_replaces_no_newer_one_of_its_name(runtime: Runtime, dying: Uploads) -> None:
    old = accepted(dying, "It opens at eight.")
    other = accepted(dying, "It has a roof.", name="roof.md")
    uploads = Uploads(runtime, Metrics())
    accepted(uploads, "It opens at nine.")
    uploads.close(60)
    uploads = resumed(runtime)
    assert "nine" in shed(runtime)
    run = show_run(runtime, uploads, OPERATOR, old)
    assert (run["state"], run["added"], run["updated"]) == ("done", 0, 0)
    assert [one["source"] for one in run["left_out"]] == ["uploads/shed.md"]
    assert show_run(runtime, uploads, OPERATOR, other)["added"] == 1
    assert list(uploads.folder.iterdir()) == []


def test_a_newer_file_that_cannot_be_read_keeps_no_older_one_out(runtime: Runtime, dying: Uploads) -> None:
    accepted(dying, "It opens at eight.")
    uploads = Uploads(runtime, Metrics())
    uploads.accept(upload_request(OPERATOR, None, ["public"], ["shed.md"]), [io.BytesIO(b"")])
    uploads.close(60)
    resumed(runtime)
    assert "eight" in shed(runtime)


def until(look: Callable[[], dict[str, Any]], enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not enough(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
