"""What may be uploaded for whom, and how an upload ends that cannot succeed."""

from __future__ import annotations

import io

import pytest

from app.metrics import Metrics
from app.runs import show_run
from app.runtime import Runtime
from app.uploads import UploadRequest, Uploads, upload_request
from core.errors import InvalidInput
from core.types import OPERATOR, Principal

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
