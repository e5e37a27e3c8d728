"""No command writes into a user's folder or calls home: what it writes lies under `ATTEST_HOME`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.process import worker_environment
from tests.conftest import KnowledgeBase

LOADED = """
import numpy as np
from models import onnx_graph as onnx
given, told = onnx.Value("x", onnx.FLOAT, [1]), onnx.Value("y", onnx.FLOAT, [1])
graph = onnx.model("copy", [onnx.node("Identity", ["x"], ["y"], domain=onnx.PLAIN)], {}, [given], [told])
onnx.Session(graph, {}, 1).run({"x": np.ones(1, np.float32)})
"""


def run(arguments: list[str], user_home: Path, attest_home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python as a user who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "OMP_NUM_THREADS")}
    environment = {**kept, "HOME": str(user_home), "ATTEST_HOME": str(attest_home)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=250, check=False
    )


def test_loading_a_graph_leaves_the_users_folder_empty(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    done = run(["-c", LOADED], tmp_path / "user", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "user").rglob("*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ask", "search"])
def test_a_question_leaves_the_users_folder_empty(
    own_knowledge_base: KnowledgeBase, tmp_path: Path, command: str
) -> None:
    (tmp_path / "user").mkdir()
    question = "How long is parental leave?"
    done = run(["-m", "app.cli", command, question, "--json"], tmp_path / "user", own_knowledge_base.home)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "user").rglob("*")) == []


def test_parsers_are_told_to_send_nothing(tmp_path: Path) -> None:
    assert worker_environment(tmp_path)["ORT_DISABLE_TELEMETRY"] == "1"
