"""The parser process is confined, and its death costs one file."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from core.errors import ParseTimeout, SourceUnavailable, StoreUnavailable, TooLarge, Unparseable
from core.settings import IngestSettings
from ingest import worker
from ingest.parsed import ParsedDocument
from ingest.parser_process import ParseJob, ParserProcess, typed_error
from ingest.parsers.request import PATIENCE
from ingest.process import ROOT, Usage, usage, worker_environment
from ingest.sandbox import ParserPool

ATTEMPTS = """
import json, os, socket, sys
from pathlib import Path
from ingest.confine import confine
home = Path(sys.argv[1])
confine(home, 512)
def attempt(action):
    try:
        action()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
print(json.dumps({
    "write inside": attempt(lambda: (home / "x").write_text("x")),
    "write outside": attempt(lambda: Path(sys.argv[2]).write_text("x")),
    "read outside": attempt(lambda: Path(sys.argv[3]).read_text()),
    "read passwords": attempt(lambda: Path("/etc/passwd").read_text()),
    "connect": attempt(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
    "resolve": attempt(lambda: socket.getaddrinfo("example.org", 80)),
    "allocate": attempt(lambda: bytearray(900 * 2**20)),
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel confines on Linux only")
def test_a_confined_process_reaches_neither_files_nor_network(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    command = [sys.executable, "-P", "-c", ATTEMPTS, str(home), str(tmp_path / "out.txt"), str(secret)]
    result = subprocess.run(command, env=worker_environment(home), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    found = json.loads(result.stdout)
    assert found.pop("write inside") == "done"
    assert "done" not in found.values(), found
    assert found["allocate"] == "MemoryError"


def pool_with(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **limits: float) -> ParserPool:
    """Return a pool whose worker is a script of our own."""
    script = tmp_path / "worker.py"
    script.write_text(f"import sys, json, os, time\nfor line in sys.stdin:\n    job = json.loads(line)\n{code}")
    whole = subprocess.Popen

    def start(command, **options):
        return whole([sys.executable, str(script)], **options)

    monkeypatch.setattr("ingest.parser_process.subprocess.Popen", start)
    return ParserPool(IngestSettings(**limits), workers=1)


@pytest.mark.parametrize(
    ("code", "limits", "error"),
    [
        ("    os._exit(3)\n", {}, Unparseable),
        ("    os.kill(os.getpid(), 11)\n", {}, Unparseable),
        ("    hoard = bytearray(200 * 2**20); time.sleep(600)\n", {"parse_memory_mb": 64}, TooLarge),
        ("    print(json.dumps({'document': {'text': 1}}), flush=True)\n", {}, Unparseable),
    ],
)
def test_a_worker_that_misbehaves_costs_one_file(
    code: str, limits: dict[str, float], error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("text")
    with pool_with(code, tmp_path, monkeypatch, **limits) as pool:
        for _ in range(2):
            with pytest.raises(error):
                pool.submit(ParseJob(file, "a.txt")).result(timeout=60)
        monkeypatch.undo()
        assert pool.submit(ParseJob(file, "a.txt")).result(timeout=60).document.text == "text"


LIMIT_S, PASSED_S = 60.0, 80.0
"""The time for a file, and how much goes by while a test watches it: the clock is the test's own."""
HELD = "time.sleep(600)"


def let_time_pass(
    monkeypatch: pytest.MonkeyPatch,
    *,
    waited_share: float = 0.0,
    from_when: Callable[[], bool] = lambda: True,
    then: Callable[[], object] = lambda: None,
) -> None:
    """Stop the clock of whoever watches a parser; let `PASSED_S` pass between two looks, then call `then` once."""
    now, looks = time.monotonic(), count()
    began = now

    def look(pid: int) -> Usage:
        nonlocal now
        if from_when():
            number = next(looks)
            if number == 1:
                now += PASSED_S
            if number == 2:
                then()
        return Usage(waited_s=waited_share * (now - began))

    monkeypatch.setattr("ingest.parser_process.usage", look)
    monkeypatch.setattr("ingest.parser_process.time", SimpleNamespace(monotonic=lambda: now))


def until_told(go: Path) -> str:
    """Return the line of a worker that waits until a file is there."""
    return f"while not os.path.exists({str(go)!r}): time.sleep(0.01)"


def test_a_worker_that_takes_too_long_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("text")
    with pool_with(f"    {HELD}\n", tmp_path, monkeypatch, parse_timeout_s=LIMIT_S) as pool:
        for _ in range(2):
            let_time_pass(monkeypatch)
            with pytest.raises(ParseTimeout):
                pool.submit(ParseJob(file, "a.txt")).result(timeout=60)
        monkeypatch.undo()
        assert pool.submit(ParseJob(file, "a.txt")).result(timeout=60).document.text == "text"


DOCUMENT = ParsedDocument("text", [], "t", "text/plain", "x").to_json()
REPLY = f"print(json.dumps({{'document': {DOCUMENT!r}}}), flush=True)"


@pytest.mark.parametrize(("waited_share", "in_time"), [(1.0, True), (0.0, False)])
def test_waiting_for_a_busy_machine_is_not_the_files_fault(
    waited_share: float, in_time: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, go = tmp_path / "a.txt", tmp_path / "go"
    file.write_text("text")
    let_time_pass(monkeypatch, waited_share=waited_share, then=go.touch)
    code = f"    {until_told(go)}\n    {REPLY}\n"
    with pool_with(code, tmp_path, monkeypatch, parse_timeout_s=LIMIT_S) as pool:
        if in_time:
            assert pool.submit(ParseJob(file, "a.txt")).result(timeout=60).document.text == "text"
        else:
            with pytest.raises(ParseTimeout):
                pool.submit(ParseJob(file, "a.txt")).result(timeout=60)


def test_a_machine_too_busy_for_too_long_is_a_transient_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_time_pass(monkeypatch, waited_share=1.0)
    file = tmp_path / "a.txt"
    file.write_text("text")
    limit_s = 0.9 * PASSED_S / PATIENCE
    with (
        pool_with(f"    {HELD}\n", tmp_path, monkeypatch, parse_timeout_s=limit_s) as pool,
        pytest.raises(SourceUnavailable, match="too busy"),
    ):
        pool.submit(ParseJob(file, "a.txt")).result(timeout=60)


def test_processor_time_of_children_counts(tmp_path: Path) -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'for _ in range(10**7): pass']); input()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while usage(process.pid).worked_s < 0.2 and time.monotonic() < deadline:
            time.sleep(0.05)
        now = usage(process.pid)
        process.kill()
    assert now.worked_s >= 0.2
    assert now.resident_mb > 5


def test_a_file_beyond_the_limit_is_not_even_copied(tmp_path: Path) -> None:
    big = tmp_path / "big.txt"
    with big.open("wb") as file:
        file.truncate(2 * 2**20)
    with ParserPool(IngestSettings(max_file_mb=1), workers=1) as pool, pytest.raises(TooLarge):
        pool.submit(ParseJob(big, "big.txt")).result(timeout=60)


def test_a_file_that_is_gone_is_a_transient_failure(pool: ParserPool, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        pool.submit(ParseJob(tmp_path / "gone", "gone")).result(timeout=60)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EIO, StoreUnavailable), (errno.ENOSPC, StoreUnavailable), (errno.ENOENT, Unparseable)]
)
def test_a_disk_that_refuses_is_not_the_files_fault(
    number: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.txt"
    source.write_text("Some words to read.")
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if Path(target).name.startswith("original-"):
            raise OSError(number, os.strerror(number))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with ParserPool(IngestSettings(), workers=1, keep=lambda _: "") as pool, pytest.raises(error):
        pool.submit(ParseJob(source, "a.txt")).result(timeout=60)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "SourceUnavailable"), (errno.EISDIR, "Unparseable")])
def test_a_full_disk_met_while_parsing_is_transient(
    number: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(request: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(worker, "parse_request", full)
    monkeypatch.setattr(worker, "_limit_cpu", lambda seconds: None)
    job = {
        "timeout_s": 60, "ocr_timeout_s": 0, "path": "x", "name": "x", "password": None, "ocr": False,
        "max_output_bytes": 10, "cutting": None,
    }  # fmt: skip
    assert worker._serve(job, tmp_path, print)["error"] == kind


def test_a_reply_that_points_outside_its_text_is_refused() -> None:
    reply = ParsedDocument("text", [], "t", "text/plain", "text").to_json()
    reply["spans"] = [("text", 0, 0, 99, None)]
    with pytest.raises(ValueError, match="outside"):
        ParsedDocument.from_json(reply)


def test_an_error_of_an_unknown_kind_is_not_believed() -> None:
    assert isinstance(typed_error({"error": "KeyboardInterrupt", "message": "x"}), Unparseable)
    assert isinstance(typed_error({"error": "Forbidden", "message": "x"}), Unparseable)


def test_a_worker_knows_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATTEST_GENERATION__VLLM_API_KEY", "sk-secret")
    assert "sk-secret" not in str(worker_environment(tmp_path))
    assert (ROOT / "ingest").is_dir()


SAY = "print(json.dumps({'scans': %s}), flush=True)"


class Replies:
    """A parser's replies, with a count of the lines that were asked for."""

    def __init__(self, replies: IO[bytes]) -> None:
        self._readline, self.asked_for = replies.readline, 0

    def readline(self) -> bytes:
        self.asked_for += 1
        return self._readline()


@pytest.mark.parametrize(
    ("said", "most_s", "in_time"), [("1", 1800.0, True), ("10**9", 0.2, False), ("-10**400", 1800.0, False)]
)
def test_a_worker_gets_time_for_scans_once_and_within_the_limit(
    said: str, most_s: float, in_time: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, go = tmp_path / "a.txt", tmp_path / "go"
    file.write_text("text")
    answer, replies = ParserProcess._answer, list[Replies]()

    def noted(process: ParserProcess, lines: IO[bytes]) -> bytes:
        replies.append(Replies(lines))
        return answer(process, replies[0])  # type: ignore[arg-type]

    monkeypatch.setattr(ParserProcess, "_answer", noted)
    heard = lambda: bool(replies) and replies[0].asked_for == 2  # noqa: E731  what the first line says is settled
    let_time_pass(monkeypatch, from_when=heard, then=go.touch)
    code = f"    {SAY % said}\n    {until_told(go)}\n    {REPLY}\n"
    with pool_with(code, tmp_path, monkeypatch, parse_timeout_s=LIMIT_S, ocr_timeout_s=most_s) as pool:
        waiting = pool.submit(ParseJob(file, "a.txt"))
        if in_time:
            assert waiting.result(timeout=60).document.text == "text"
        else:
            with pytest.raises(ParseTimeout):
                waiting.result(timeout=60)


def test_a_worker_that_asks_for_time_twice_is_malformed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("text")
    code = f"    {SAY % 1}; {SAY % 1}; {REPLY}\n"
    with pool_with(code, tmp_path, monkeypatch) as pool, pytest.raises(Unparseable):
        pool.submit(ParseJob(file, "a.txt")).result(timeout=60)


def test_a_reply_with_half_a_character_is_refused() -> None:
    for part in ("text", "title"):
        reply = ParsedDocument("text", [], "t", "text/plain", "text").to_json() | {part: "x\udcff"}
        with pytest.raises(ValueError, match="surrogates"):
            ParsedDocument.from_json(reply)
