"""Random lives against a model of dictionaries: nobody sees what they may not, everybody sees all that they may.

`python -m bench.leaks --queries 20000` is the long form.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import bench.leaks_machine
import retriever.authorise
import retriever.permitted
from bench.leaks_machine import Machine
from bench.leaks_model import Leak
from core.settings import load_settings
from core.types import OPERATOR


def lead(folder: Path, draw: random.Random, steps: int) -> int:
    machine = Machine(load_settings(folder), draw)
    try:
        for _ in range(steps):
            machine.edit()
            machine.edit()
            machine.ask()
        return machine.queries
    finally:
        machine.close()


@hypothesis_settings(
    max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, print_blob=True
)
@given(draw=st.randoms(use_true_random=False))
def test_no_life_leaks(tmp_path_factory: pytest.TempPathFactory, draw: random.Random) -> None:
    lead(tmp_path_factory.mktemp("life"), draw, 6)


def test_a_longer_life(tmp_path: Path) -> None:
    assert lead(tmp_path, random.Random(1), 20) > 200


def test_without_the_filter_before_ranking_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = retriever.permitted.retrievable_versions
    monkeypatch.setattr(retriever.permitted, "retrievable_versions", lambda _, filters: allowed(OPERATOR, filters))
    monkeypatch.setattr(bench.leaks_machine, "SOURCES", tuple(f"/d{number}" for number in range(60)))
    with pytest.raises(Leak):
        crowd(tmp_path, random.Random(2))


def test_without_the_second_authorisation_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = retriever.authorise.presentations

    def everything(session, principal, keys, filters):
        return allowed(session, OPERATOR, keys, filters)

    monkeypatch.setattr(retriever.authorise, "presentations", everything)
    with pytest.raises(Leak):
        crowd(tmp_path, random.Random(3))


def crowd(folder: Path, draw: random.Random, rounds: int = 8) -> None:
    machine = Machine(load_settings(folder), draw)
    try:
        for _ in range(40):
            machine.put()
        for _ in range(rounds):
            machine.edit()
            machine.ask()
    finally:
        machine.close()


def test_the_crowd_is_fine_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.leaks_machine, "SOURCES", tuple(f"/d{number}" for number in range(60)))
    crowd(tmp_path, random.Random(2), 2)
