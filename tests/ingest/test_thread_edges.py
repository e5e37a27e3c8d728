"""Whatever goes wrong beside the loop of a run, the loop is told: it neither waits for ever nor blames another file."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from core.db.session import Database
from core.errors import Unparseable
from core.settings import IngestSettings, Settings
from ingest.events import Broken, outcome
from ingest.parser_process import ParseJob
from ingest.report import IngestOptions
from ingest.run import ingest
from ingest.sandbox import ParseResult, ParserPool
from ingest.scale import DaskPool
from ingest.walk import Source
from models.encoder import Encoder
from tests.ingest.test_sandbox import pool_with


class Odd(Exception):
    """Of a library that nobody thought of."""


@pytest.mark.parametrize("error", [Odd("x"), AttributeError("x"), SystemExit(3), RecursionError()])
def test_a_parse_that_ends_in_any_error_is_an_event(error: BaseException) -> None:
    future: Future[ParseResult] = Future()
    future.set_exception(error)
    event = outcome(Source("/a", Path("/a"), "a"), future)
    assert isinstance(event, Broken)
    assert event.error is error


class _Failing:
    """An encoder that fails in a way of its own."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def encode(self, *_: object) -> None:
        raise Odd("no vectors today")


def test_an_encoder_that_fails_oddly_ends_the_run(
    settings: Settings, database: Database, encoder: Encoder, docs: Path
) -> None:
    (docs / "a.md").write_text("# A\n\nThe lamp stands on the table.")
    ended: list[BaseException] = []

    def run() -> None:
        try:
            ingest([docs], IngestOptions(workers=1), database=database, settings=settings, encoder=_Failing(encoder))
        except BaseException as error:  # noqa: BLE001  whatever it is, the test shows it
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert [type(error) for error in ended] == [Odd]


@pytest.mark.parametrize(
    "reply",
    [
        *("[]", "x", "5", '"error"', "null", "{}", '{"document": []}', '{"document": {}, "retire": 1}'),
        '{"document": ' + "[" * 100_000,
        '{"scans": ' + "[" * 100_000,
        '{"error": []}x',
    ],
)
def test_a_malformed_reply_costs_one_file(reply: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, script = tmp_path / "a.txt", tmp_path / "reply"
    file.write_text("text")
    script.write_text(f"{reply}\n{reply}\n")
    code = f"    sys.stdout.write(open({str(script)!r}).read()); sys.stdout.flush()\n"
    with pool_with(code, tmp_path, monkeypatch) as pool:
        for _ in range(2):
            with pytest.raises(Unparseable, match="malformed"):
                pool.submit(ParseJob(file, "a.txt")).result(timeout=60)
        monkeypatch.undo()
        assert pool.submit(ParseJob(file, "a.txt")).result(timeout=60).document.text == "text"


def test_a_parser_that_cannot_be_warmed_is_still_given_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Odd("not now")

    file = tmp_path / "a.txt"
    file.write_text("text")
    with monkeypatch.context() as patch:
        patch.setattr("ingest.parser_process.subprocess.Popen", refuse)
        pool = ParserPool(IngestSettings(), workers=1, warm=1)
        with pytest.raises(Odd):
            pool.submit(ParseJob(file, "a.txt")).result(timeout=60)
    with pool:
        assert pool.submit(ParseJob(file, "a.txt")).result(timeout=60).document.text == "text"


def test_a_reply_from_a_cluster_that_cannot_be_had_costs_one_file() -> None:
    class Lost:
        status = "finished"

        def result(self) -> object:
            raise Odd("a class that is not here")

    done: Future[ParseResult] = Future()
    DaskPool._arrive(DaskPool.__new__(DaskPool), Lost(), ParseJob(Path("a"), "a"), b"", done)
    with pytest.raises(Unparseable, match="malformed"):
        done.result(timeout=0)
