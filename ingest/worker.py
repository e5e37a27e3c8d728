"""The sandboxed parser: reads one request a line on its standard input, writes one reply a line; started by `sandbox`.

Nothing it is given is trusted: it runs confined, with limits, and its replies are JSON that the parent checks.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import AttestError, EmptyDocument, TooLarge
from ingest.confine import confine
from ingest.cutting import Cutting, cut
from ingest.parsed import ParsedDocument
from ingest.parsers.request import ParseRequest, scans_limit_s

OPTIONAL_WORK_SHARE = 0.7  # of the time limit; after it optional work such as OCR stops and says so

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk without room says; the file is not to blame."""

GARBAGE_THRESHOLD = 5000
"""Objects made before the collector looks for circles among them; Python's own 700 costs a tenth of a page's time."""

RETIRE_SHARE = 0.5
"""Of the memory it may use; a process that keeps more than this after a file makes room for a fresh one, so that the
next file is not refused for what others left."""


def main() -> None:
    """Serve requests until standard input ends."""
    home = Path(sys.argv[1])
    limits = json.loads(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like a reply
    confine(home, limits["memory_mb"])
    _preload()
    _spare_the_collector()

    def say(reply: dict[str, Any]) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    for line in sys.stdin:
        reply = _serve(json.loads(line), home, say)
        if _resident_mb() > RETIRE_SHARE * limits["memory_mb"]:
            reply["retire"] = True
        say(reply)


def _resident_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _preload() -> None:
    """Import what nearly every file needs while the parent still loads its encoder."""
    import rensa  # noqa: F401
    import tokenizers  # noqa: F401

    import ingest.clean
    import ingest.parsers.dispatch
    import ingest.quality  # noqa: F401


def _spare_the_collector() -> None:
    """Have the collector walk seldom, and never over what was imported: nearly all that a file makes goes by itself."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


def _serve(job: dict[str, Any], home: Path, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Parse a file; `say` tells the parent at once that it has scanned pages, which are given time of their own."""

    def scans(pages: int) -> float:
        more_s = scans_limit_s(pages, job["ocr_timeout_s"])
        _limit_cpu(job["timeout_s"] + more_s)
        say({"scans": pages})
        return OPTIONAL_WORK_SHARE * more_s

    _limit_cpu(job["timeout_s"])
    spool = home / "spool"
    request = ParseRequest(
        path=Path(job["path"]),
        name=job["name"],
        spool=spool,
        budget_s=OPTIONAL_WORK_SHARE * job["timeout_s"],
        password=job["password"],
        ocr=job["ocr"],
        max_output_bytes=job["max_output_bytes"],
        scans=scans,
    )
    try:
        _empty(spool)
        document = parse_request(request)
        _limit_cpu(job["timeout_s"])  # cutting has as long again
        passages = cut(document, Cutting(**job["cutting"])) if job["cutting"] else None
        return {"document": document.to_json(), "cut": passages}
    except AttestError as error:
        return {"error": error.kind, "message": str(error)}
    except MemoryError:
        return {"error": "TooLarge", "message": "the parser needed more memory than it may use", "retire": True}
    except RecursionError:
        return {"error": "Unparseable", "message": "the file is nested too deeply"}
    except OSError as error:
        kind = "SourceUnavailable" if error.errno in FULL else "Unparseable"
        return {"error": kind, "message": f"{type(error).__name__}: {error}"[:500]}
    except Exception as error:  # noqa: BLE001  process edge: a parser's crash is the file's failure
        return {"error": "Unparseable", "message": f"{type(error).__name__}: {error}"[:500]}


def _empty(spool: Path) -> None:
    """Make the folder, or empty it where the last file left something there."""
    if not spool.is_dir() or any(spool.iterdir()):
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir()


def parse_request(request: ParseRequest) -> ParsedDocument:
    """Parse and clean one file.

    Raises:
        EmptyDocument: a non-empty file holds no text.
        TooLarge: its text exceeds what may be unpacked from it.
    """
    from ingest.clean import assemble
    from ingest.parsers.dispatch import parse
    from ingest.quality import assess

    raw = parse(request)
    document = assemble(raw, Path(request.name).stem)
    if not document.text.strip() and not document.attachments:
        raise EmptyDocument("no text could be read from the file")
    if len(document.text) > request.max_output_bytes:
        raise TooLarge(f"the file holds more than {request.max_output_bytes} characters of text")
    return assess(document)


def _limit_cpu(timeout_s: float) -> None:
    """Give this file `timeout_s` of processor time; past it the kernel ends the process."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + timeout_s) + 2, resource.RLIM_INFINITY))


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
