import json

import pytest

from core.errors import InvalidInput
from tuning.ptune_data import Material, part_of, read_material, write_parts
from tuning.ptune_rows import messages_of

SENTENCE = "The {name} of chapter {n} holds {lamps} lamps and a keeper called Keeper{n}."


def sentence(name, n):
    return SENTENCE.format(name=name, n=n, lamps=n * 11)


@pytest.fixture
def source(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    rows = []
    for name in (f"House{number}" for number in range(8)):
        marked = (f"<!-- paragraph {n} -->\n{sentence(name, n)}\n\n" for n in range(1, 9))
        (docs / f"{name}.md").write_text(f"# {name}\n\n" + "".join(marked))
        for n in range(1, 9):
            text = f"The {name} of chapter {n} holds {n * 11} lamps and a keeper called Keeper{n}."
            row = {"id": f"{name}-{n}", "doc": f"{name}.md", "evidence": [{"doc": f"{name}.md", "text": text}]}
            asked = {
                "question": f"How many lamps does {name} hold in chapter {n}?",
                "answers": [str(n * 11)],
                "answerable": True,
            }
            if n % 2:
                asked = {"question": f"Who painted {name} in chapter {n}?", "answers": [], "answerable": False}
            rows.append(row | asked)
    rows.append(rows[1] | {"id": "again"})
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return docs, tmp_path / "questions.jsonl"


def read(folder, part):
    return [json.loads(line) for line in (folder / f"{part}.jsonl").read_text().splitlines()]


def test_rows_are_split_by_document_balanced_and_without_repeats(source, tmp_path):
    report = write_parts(read_material(*source), tmp_path / "out")
    parts = {part: read(tmp_path / "out", part) for part in ("train", "dev", "test")}
    documents = {part: {row["document"] for row in rows} for part, rows in parts.items()}
    assert not documents["train"] & documents["test"] | documents["dev"] & documents["test"]
    for part, rows in parts.items():
        assert report[part]["rows"] == len(rows) == 2 * report[part]["answerable"] > 0
    ids = [row["id"] for rows in parts.values() for row in rows]
    assert len(ids) == len(set(ids))
    assert not {"House0-2", "again"} <= set(ids)


def test_the_marker_names_the_passage_that_holds_the_answer(source, tmp_path):
    write_parts(read_material(*source), tmp_path / "out")
    for row in read(tmp_path / "out", "train"):
        prompt = messages_of(row, "brief")[-1]["content"]
        if not row["answerable"]:
            assert row["target"] == "NOT_IN_DOCUMENTS"
            continue
        passage = row["passages"][row["marker"] - 1]["text"]
        assert passage in prompt.split(f'<passage id="{row["marker"]}"')[1].split("</passage>")[0]
        assert row["answers"][0] in passage
        assert row["target"] == f"{row['answers'][0]} [{row['marker']}]"
        others = [shown["text"] for shown in row["passages"] if shown["text"] != passage]
        assert not any(f" {row['answers'][0]} " in other for other in others)


def test_two_runs_write_the_same_rows_and_another_seed_others(source, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_parts(read_material(*source), tmp_path / name, seed)
    assert read(tmp_path / "a", "train") == read(tmp_path / "b", "train") != read(tmp_path / "c", "train")


def test_too_few_documents_cannot_be_split():
    with pytest.raises(InvalidInput, match="three documents"):
        part_of(["a", "b"], 0)


def test_rows_of_people_are_kept_whole_and_split_with_the_others_by_document(source, tmp_path):
    made = read_material(*source)
    own = [
        {"id": f"liked-{n}", "document": f"House{n}.md", "question": f"Own {n}?", "passages": [], "kind": "answerable"}
        | {"answerable": True, "target": "x [1]"}
        for n in range(8)
    ]
    write_parts(Material(made.examples, made.passages, [*own, own[0]]), tmp_path / "out")
    parts = {part: read(tmp_path / "out", part) for part in ("train", "dev", "test")}
    assert sum(row["id"].startswith("liked") for rows in parts.values() for row in rows) == 8
    documents = {part: {row["document"] for row in rows} for part, rows in parts.items()}
    assert not documents["train"] & documents["test"]


def test_documents_without_marked_sections_are_cut_at_sentences_and_evidence_may_be_one_of_them(tmp_path):
    rows = []
    for name in ("North", "South", "East", "West"):
        told = [f"The {name} harbour opened pier {n} in {1900 + n} with {n} cranes." for n in range(1, 61)]
        (tmp_path / f"{name}.txt").write_text("\n\n".join(" ".join(told[at : at + 5]) for at in range(0, 60, 5)))
        for n in range(1, 61, 6):
            row = {"id": f"{name}-{n}", "question": f"When did {name} open pier {n}?", "answers": [str(1900 + n)]}
            rows.append(row | {"evidence": [{"doc": f"{name}.txt", "text": told[n - 1]}]})
        rows.append({"id": name, "question": f"Who owns {name}?", "answers": [], "answerable": False, "evidence": []})
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_parts(read_material(tmp_path, tmp_path / "questions.jsonl"), tmp_path / "out")
    for row in read(tmp_path / "out", "train"):
        assert all(100 < len(passage["text"]) <= 900 for passage in row["passages"])
        if row["answerable"]:
            assert row["answers"][0] in row["passages"][row["marker"] - 1]["text"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "line 2: no question with evidence"),
        ('{"evidence": [{"text": "a"}]}', "line 2: no question with evidence"),
        ('{"id": 1, "question": "a?", "answers": ["a"], "evidence": [{"doc": "scan.pdf", "text": "a"}]}', "is no text"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, line, message):
    (tmp_path / "scan.pdf").write_bytes(b"%PDF\xff\xfe")
    (tmp_path / "questions.jsonl").write_text("\n" + line)
    with pytest.raises(InvalidInput, match=message):
        read_material(tmp_path, tmp_path / "questions.jsonl")


def test_questions_about_documents_that_are_elsewhere_are_an_error_that_names_one(source, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=r"none of the documents .* such as House0\.md"):
        read_material(tmp_path / "empty", source[1])
