"""`make demo`: ingest the samples, answer three questions and refuse one, then serve the API and the pages.

Run: `python -m app.demo [--once]`. The knowledge base lies in `ATTEST_HOME`, or in `.attest/` of this checkout.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent, wrap
from types import FrameType
from typing import TYPE_CHECKING

from app.console import guarded, note
from core.errors import Conflict
from core.settings import Settings, load_settings
from core.types import OPERATOR, Answer, Citation, Question

if TYPE_CHECKING:
    from app.runtime import Runtime

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLES = CHECKOUT / "samples" / "handbook"
QUESTIONS = (
    "What is the most annual leave I can carry over to the next leave year?",
    "How long is parental bereavement leave?",
    "Who decides whether I get a MacBook or a PC?",
    "What is the Christmas bonus for TTS staff?",  # the handbook holds no answer to this one
)
EXPECTED = ("answered", "answered", "answered", "refused")
AROUND = 160
"""Characters shown on each side of a cited passage."""
STOP_S = 10.0
"""How long a server may take to shut down before it is killed."""


def main() -> None:
    """Run the demo and leave with its status: 1 when an answer did not come out as the samples call for."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--once", action="store_true", help="stop after the printed answers")
    once = parser.parse_args().once
    os.environ.setdefault("ATTEST_HOME", str(CHECKOUT / ".attest"))
    sys.exit(guarded(lambda: demo(once=once)))


def demo(*, once: bool) -> None:
    """Ingest, answer and, unless `once`, serve until interrupted."""
    settings = load_settings()
    if not once:
        require_free_ports(settings)
    outcomes = answer_samples(settings)
    if outcomes != EXPECTED:
        note(f"demo: expected {', '.join(EXPECTED)}, got {', '.join(outcomes)}")
        sys.exit(1)
    note(
        f"\nThese documents have a home of their own. Ask them more: ATTEST_HOME={settings.home} .venv/bin/attest ask …"
    )
    if not once:
        serve(settings)


def answer_samples(settings: Settings) -> tuple[str, ...]:
    """Ingest the samples, print each question with its answer, and return the outcomes in order."""
    from app.ask import ask  # the models load here, after the usage has been checked
    from app.runtime import open_runtime
    from app.warm import warm

    runtime = open_runtime(settings, follow=False)
    try:
        ingest_samples(runtime)
        note("Loading the models …")
        warm(runtime)
        outcomes = []
        for text in QUESTIONS:
            answer = ask(runtime, Question(text, OPERATOR))
            print_answer(runtime, text, answer)
            outcomes.append(answer.outcome)
        return tuple(outcomes)
    finally:
        runtime.close()


def ingest_samples(runtime: Runtime) -> None:
    """Bring the sample handbook into the knowledge base; unchanged files are skipped."""
    from ingest.progress import make_progress
    from ingest.run import IngestOptions, ingest

    note(f"Reading {SAMPLES.relative_to(CHECKOUT)}/ into {runtime.settings.home} …")
    report = ingest(
        [SAMPLES],
        IngestOptions(),
        database=runtime.database,
        settings=runtime.settings,
        encoder=lambda: runtime.encoder,
        progress=make_progress(),
        scan=runtime.rails.scan_document,
    )
    note(f"{report.seen} documents: {report.added} new, {report.unchanged} unchanged, {len(report.failed)} failed")
    runtime.retriever.sync()


def print_answer(runtime: Runtime, question: str, answer: Answer) -> None:
    """Print an answer with the passage each citation opens, or the refusal as what it is."""
    out = [f"\nQ  {question}"]
    if answer.outcome == "answered":
        out.append(_paragraph(answer.text, "A  "))
        for citation in answer.citations:
            place = _shown(citation.source) + ("" if citation.page is None else f", page {citation.page}")
            out.append(f"   [{citation.marker}] {citation.title} · {place}")
            out.append(indent(passage(runtime, citation), "       │ "))
    else:
        out.append(_paragraph(f"{answer.outcome.capitalize()} ({answer.reason}): {answer.text}", "A  "))
        out += [f"       nearest: {near.title} · {_shown(near.source)}" for near in answer.nearest[:2]]
    seconds = answer.timings_ms["total"] / 1000
    out.append(f"   {answer.generator} generator, {seconds:.1f} s")
    sys.stdout.write("\n".join(out) + "\n")
    sys.stdout.flush()


def passage(runtime: Runtime, citation: Citation) -> str:
    """Return the cited passage in its surroundings, the quote between « and ».

    Where the output rails would take something out of the surroundings, the quote stands alone.
    """
    from app.gate import Gate
    from ingest.documents import document_text

    text = document_text(runtime.database, citation.document_id, OPERATOR, version=citation.version)
    before = text[max(0, citation.start - AROUND) : citation.start]
    after = text[citation.end : citation.end + AROUND]
    shown = before + citation.quote + after
    if Gate(runtime.rails, (), None).quotable([shown])[0] != [(0, len(shown))]:
        before = after = ""
    around = f"…{before}«{citation.quote}»{after}…"
    return "\n".join(wrap(" ".join(around.split()), 100))


def serve(settings: Settings) -> None:
    """Run the API and the pages as child processes until interrupted or until one of them ends."""
    note("\nStarting the API and the pages …")
    with interruptible(), children(("serve", "ui")) as processes:
        api = f"http://{settings.server.host}:{settings.server.port}"
        wait_ready(f"{api}/readyz", processes)
        note(f"API  {api}/docs\nUI   http://{settings.ui.host}:{settings.ui.port}\nCtrl-C stops both.")
        while all(process.poll() is None for process in processes):
            time.sleep(0.3)
        raise Conflict("a server ended on its own; its message is above")


@contextmanager
def children(commands: Sequence[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run `attest COMMAND` for each command; on the way out end them all and wait for them."""
    # Sessions of their own: Ctrl-C reaches only this process, which then stops each server once, in order.
    processes = [
        subprocess.Popen([sys.executable, "-m", "app.cli", command], cwd=CHECKOUT, start_new_session=True)
        for command in commands
    ]
    try:
        yield processes
    except KeyboardInterrupt:
        note("\nStopping …")
    finally:
        for process in processes:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child and its own children: politely first, after `STOP_S` for good."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that the children are stopped either way."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_ready(url: str, processes: Sequence[subprocess.Popen[bytes]], *, timeout_s: float = 300.0) -> None:
    """Wait until a URL answers 200.

    Raises:
        Conflict: a child ended, or the time is up.
    """
    import httpx

    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise Conflict("a server ended while starting; its message is above")
        try:
            if httpx.get(url, timeout=2.0, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.3)
    raise Conflict(f"{url} was not ready after {timeout_s:.0f} s")


def require_free_ports(settings: Settings) -> None:
    """Check before the long part that both servers can listen.

    Raises:
        Conflict: a port is taken.
    """
    for section, host, port in (
        ("SERVER", settings.server.host, settings.server.port),
        ("UI", settings.ui.host, settings.ui.port),
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise Conflict(f"{host}:{port} is taken; choose another with ATTEST_{section}__PORT") from error


def _shown(source: str) -> str:
    return source.removeprefix(f"{CHECKOUT}/")


def _paragraph(text: str, lead: str) -> str:
    return "\n".join(wrap(text, 104, initial_indent=lead, subsequent_indent=" " * len(lead)))


if __name__ == "__main__":
    main()
