import json
import random
from pathlib import Path

import pytest

from tuning.answerable_data import build
from tuning.passages_data import held_out
from tuning.table_questions import make_rows
from tuning.verify_data import build as build_claims

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (DATA / "squad2").is_dir():
        pytest.skip("the evaluation data is not on this machine")
    out = tmp_path_factory.mktemp("built")
    build(DATA, out)
    build_claims(DATA, out)
    return out


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_splits_share_no_group_or_question_and_spans_lie_in_their_context(built: Path) -> None:
    train, test = rows(built / "reader.train.jsonl"), rows(built / "reader.test.jsonl")
    by_group = [row for row in test if row["held"] == "group"]
    assert by_group
    assert all(held_out(str(row["group"])) for row in by_group)
    assert not any(held_out(str(row["group"])) for row in train)
    asked = {(row["group"], row["question"]) for row in test if row["source"] == "squad"}
    assert not {(row["group"], row["question"]) for row in train} & asked
    for row in train:
        context = str(row["context"])
        for span in row["spans"] or ():  # type: ignore[attr-defined]
            assert context[span[0] : span[1]].strip()
        assert bool(row["answerable"]) or not row["spans"]


@pytest.mark.slow
def test_rows_we_may_not_train_on_are_only_measured_on(built: Path) -> None:
    kinds = {str(row["kind"]) for row in rows(built / "groundedness.train.jsonl")}
    assert not any(kind.startswith(("faithbench", "qags")) for kind in kinds)
    judged = {str(row["kind"]) for row in rows(built / "groundedness.judge.jsonl")}
    labelled = {kind.split("-")[0] for kind in judged if not kind.startswith("built:")}
    assert labelled == {"begin", "mtrag", "faithbench", "qags"}


@pytest.mark.slow
def test_questions_are_held_out_of_known_articles_too(built: Path) -> None:
    train, test = rows(built / "reader.known.jsonl"), rows(built / "reader.known_test.jsonl")
    squad = [row for row in test if row["source"] == "squad"]
    assert {row["group"] for row in squad} <= {row["group"] for row in train}
    asked = {(row["group"], row["question"]) for row in squad}
    assert asked
    assert not {(row["group"], row["question"]) for row in train} & asked


def test_made_up_tables_hold_what_their_questions_point_at() -> None:
    made = list(make_rows(200, random.Random(4)))
    assert {0, 1} == {row["answerable"] for row in made}
    for row in made:
        lines = row["context"].split("\n")
        for start, end in row["support"]:
            assert row["context"][start:end] in lines
        for start, end in row["spans"] or ():
            assert any(mark.isdigit() for mark in row["context"][start:end])
        assert bool(row["answerable"]) == bool(row["support"])
