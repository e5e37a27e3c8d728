"""What `make demo` does once everything is installed: answers from samples, then two servers that end with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app import demo
from app.ask import ask
from app.runtime import open_runtime
from core.errors import Conflict
from core.settings import RailSettings, load_settings
from core.types import OPERATOR, Question
from tests.conftest import KnowledgeBase
from tests.pages import write_pages
from tests.ui.conftest import free_port, wait_until_answers

QUESTIONS = ("How many hours of annual leave may staff carry over?", "What is the Christmas bonus for staff?")


def test_the_samples_are_the_handbook() -> None:
    assert len(list(demo.SAMPLES.rglob("*.md"))) == 238
    assert {path.suffix for path in (demo.SAMPLES / "attachments").iterdir()} == {".pdf", ".docx"}
    assert len(demo.QUESTIONS) == len(demo.EXPECTED) == 4


def test_answers_are_printed_with_the_passages_their_citations_open(
    own_knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    write_pages(tmp_path / "docs")
    monkeypatch.setattr(demo, "CHECKOUT", tmp_path)
    monkeypatch.setattr(demo, "SAMPLES", tmp_path / "docs")
    monkeypatch.setattr(demo, "QUESTIONS", QUESTIONS)
    assert demo.answer_samples(own_knowledge_base.settings) == ("answered", "refused")
    out = capsys.readouterr().out
    answered, refused = out.split(f"Q  {QUESTIONS[1]}")
    assert "[1] Annual leave" in answered
    passage = " ".join(line.partition("│ ")[2] for line in answered.splitlines() if "│" in line)
    assert "«" in passage
    assert "240 hours" in passage.partition("«")[2].partition("»")[0]
    assert "Refused (" in refused
    assert "«" not in refused


def test_what_a_rail_took_out_of_a_quote_is_not_printed_beside_it(own_knowledge_base: KnowledgeBase) -> None:
    classifiers = ("toxicity", "prompt_injection", "harmful_requests", "indirect_injection")
    policy = {"output.words": {"action": "redact"}, **{name: {"enabled": False} for name in classifiers}}
    rails = RailSettings.model_validate({"blocked_words": ["75 dollars"], "policy": policy})
    with open_runtime(own_knowledge_base.settings.model_copy(update={"rails": rails}), follow=False) as runtime:
        answer = ask(runtime, Question("From what sum on are receipts needed?", OPERATOR, generator="quote"))
        assert answer.citations
        for citation in answer.citations:
            shown = " ".join(demo.passage(runtime, citation).split())
            assert "75 dollars" not in shown
            assert f"«{' '.join(citation.quote.split())}»" in shown


def test_a_taken_port_is_told_before_the_long_part() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = load_settings()
        settings = settings.model_copy(update={"ui": settings.ui.model_copy(update={"port": port})})
        with pytest.raises(Conflict, match="ATTEST_UI__PORT"):
            demo.require_free_ports(settings)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_both_servers_end_with_the_demo(own_knowledge_base: KnowledgeBase, sign: signal.Signals) -> None:
    api, pages = free_port(), free_port()
    environment = {
        **os.environ,
        "ATTEST_HOME": str(own_knowledge_base.home),
        "ATTEST_SERVER__PORT": str(api),
        "ATTEST_UI__PORT": str(pages),
        "ATTEST_UI__API_URL": f"http://127.0.0.1:{api}",
    }
    script = "from app.demo import serve; from core.settings import load_settings; serve(load_settings())"
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE) as process:
        try:
            wait_until_answers(f"http://127.0.0.1:{api}/readyz", lambda: process.poll() is None)
            wait_until_answers(f"http://127.0.0.1:{pages}/_stcore/health", lambda: process.poll() is None)
            process.send_signal(sign)
            assert process.wait(60) == 0
        finally:
            process.kill()
    for port in (api, pages):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
