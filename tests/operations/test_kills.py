"""Forty deaths by SIGKILL at named points and random moments; `python -m bench.kills --kills 500` is the long form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def harness(module: str, *arguments: str) -> dict:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_forty_kills_lose_nothing_and_raise_nothing_from_the_dead() -> None:
    seed = str(int(time.time()))
    report = harness("bench.kills", "--kills", "40", "--seed", seed)
    assert report["problems"] == [], f"seed {seed}"
    assert report["kills"] >= 40
    assert len(report["by_point"]) >= 15


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_failing_file_operation_harms_the_store() -> None:
    report = harness("bench.faults", "--every", "20")
    assert report["problems"] == []
    assert report["tried"] >= 20
    assert set(report["endings"]) >= {"StoreUnavailable"}


def test_every_failpoint_is_known_to_the_harness() -> None:
    from bench.kills import failpoints
    from bench.kills_model import STEP_FOR

    reached = {"sql", "blob", "ingest", *STEP_FOR}
    assert {point.split(".")[0] for point in failpoints()} <= reached
