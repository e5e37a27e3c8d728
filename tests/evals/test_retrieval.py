import json

import pytest
from typer.testing import CliRunner

from core.errors import InvalidInput
from evals.cli import cli
from evals.retrieval import RetrievalOptions, RetrievalSet, measure_retrieval

CORPUS = [
    {"_id": "leave", "title": "Leave", "text": "Staff may carry over at most 240 hours of annual leave."},
    {"_id": "pay", "title": "Pay", "text": "Salaries are paid every second Friday by bank transfer."},
    {"_id": "copy", "title": "Pay", "text": "Salaries are paid every second Friday by bank transfer."},
    {"_id": "fire", "title": "", "text": "In case of fire walk to the assembly point behind the building."},
    {"_id": "empty", "title": "", "text": ""},
]


@pytest.fixture
def beir(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    texts = {"q1": "how much annual leave carries over", "q2": "when is pay day", "q3": "x"}
    rows = [{"_id": name, "text": text} for name, text in texts.items()]
    grades = "query-id\tcorpus-id\tscore\nq1\tleave\t2\nq2\tpay\t1\nq2\tcopy\t1\nq3\tfire\t0\n"
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CORPUS))
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "qrels.tsv").write_text(grades)
    return [tmp_path / name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_a_small_set_is_searched_perfectly_and_a_folded_copy_counts(beir, mode):
    figures = measure_retrieval(*beir, RetrievalOptions(mode, False))
    assert figures["queries"] == 2
    if mode != "lexical":
        assert figures["ndcg@10"] == pytest.approx(1.0)
        assert figures["recall@10"] == figures["recall@100"] == figures["mrr@10"] == 1.0
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]


def test_the_command_prints_one_json_object_and_leaves_the_home_alone(beir, tmp_path):
    corpus, queries, qrels = map(str, beir)
    arguments = ["retrieval", "--corpus", corpus, "--queries", queries, "--qrels", qrels, "--mode", "hybrid", "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert set(figures) >= {"ndcg@10", "recall@10", "recall@100", "mrr@10", "queries", "p50_ms", "p95_ms"}
    assert not (tmp_path / "home").exists()


def test_wrong_usage_is_told_apart_from_failure(beir, tmp_path):
    missing = CliRunner().invoke(
        cli, ["retrieval", "--corpus", str(tmp_path / "none"), "--queries", "q", "--qrels", "r"]
    )
    assert missing.exit_code == 2
    (tmp_path / "qrels.tsv").write_text("q9\tleave\t1\n")
    with pytest.raises(InvalidInput, match="no query"):
        RetrievalSet.read(*beir)


def test_a_reranker_that_is_not_there_is_missed_before_anything_is_embedded(beir):
    with pytest.raises(InvalidInput, match=r"retrieval\.reranker"):
        measure_retrieval(*beir, RetrievalOptions("hybrid", True))
