import json
import subprocess
import sys
from dataclasses import replace

import pytest

from core.errors import InvalidInput
from tests.tuning.tiny_model import save_tiny_model
from tuning.judge import Answerer, Variant
from tuning.ptune import train
from tuning.ptune_rows import Recipe, Sample, batches

RECIPE = Recipe(tokens=4, hidden=16, rank=2, learning_rate=1e-2, epochs=3, batch=4, patience=9)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        {
            "messages": [{"role": "user", "content": f"passage rain falls on hill {'a ' * (n % 5)} question where"}],
            "target": "hill [1]" if n % 2 else "NOT",
        }
        for n in range(16)
    ]
    for part, kept in (("train", rows), ("dev", rows[:4])):
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    return folder


@pytest.mark.parametrize("method", ["ptune", "prompt", "lora"])
def test_each_method_learns(model, data, tmp_path, method):
    history = train(data, model, tmp_path / "run", replace(RECIPE, method=method))
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    best = tmp_path / "run" / "best"
    told = json.loads((best / "task.json").read_text())["trained_parameters"]
    kept = {"ptune": 4 * 32, "prompt": 4 * 32, "lora": 0}[method]
    assert told > kept if method != "prompt" else told == kept
    way = {"adapter": str(best)} if method == "lora" else {"virtual": str(best)}
    assert Answerer(model, Variant(method, **way)).trained == told


@pytest.mark.parametrize("method", ["ptune", "lora"])
def test_an_interrupted_run_ends_at_the_same_loss(model, data, tmp_path, method, monkeypatch):
    recipe = replace(RECIPE, method=method)
    whole = train(data, model, tmp_path / "whole", recipe)

    from tuning.ptune_loop import Training

    keep = Training._keep

    def stop_after_the_first(self):
        keep(self)
        if self.epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Training, "_keep", stop_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        train(data, model, tmp_path / "broken", recipe)
    monkeypatch.setattr(Training, "_keep", keep)
    resumed = train(data, model, tmp_path / "broken", recipe)
    assert [entry["epoch"] for entry in resumed] == [1, 2, 3]
    assert resumed[-1]["train_loss"] == pytest.approx(whole[-1]["train_loss"], abs=1e-4)
    assert resumed[-1]["dev_loss"] == pytest.approx(whole[-1]["dev_loss"], abs=1e-4)


def test_a_folder_of_another_recipe_is_refused(model, data, tmp_path):
    train(data, model, tmp_path, replace(RECIPE, epochs=1))
    with pytest.raises(SystemExit, match="another recipe"):
        train(data, model, tmp_path, replace(RECIPE, epochs=1, learning_rate=0.5))


def test_a_folder_without_rows_is_refused_rather_than_learnt(model, data, tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.jsonl").write_text("")
    with pytest.raises(InvalidInput, match="no rows to learn"):
        train(tmp_path, model, tmp_path / "run", RECIPE)


def test_batches_hold_every_sample_once_in_an_order_of_the_seed():
    samples = [Sample(tuple(range(n % 7 + 1)), 1) for n in range(50)]
    first, again, other = (batches(samples, 8, seed) for seed in ("0", "0", "1"))
    assert first == again != other
    assert sorted(len(s.ids) for batch in first for s in batch) == sorted(len(s.ids) for s in samples)


@pytest.mark.parametrize("method", ["ptune", "lora"])
def test_the_loss_over_targets_is_the_one_the_library_gives(model, data, method):
    from models.causal import load_causal
    from tuning.ptune import adapt
    from tuning.ptune_loop import target_loss
    from tuning.ptune_rows import collate, read_samples

    recipe = replace(RECIPE, method=method)
    tokenizer, plain = load_causal(model)
    adapted = adapt(plain, recipe).eval()
    tensors = collate(read_samples(data / "train.jsonl", tokenizer, recipe)[:4], tokenizer.pad_token_id, "cpu")
    assert float(target_loss(adapted, recipe, tensors)) == pytest.approx(float(adapted(**tensors).loss), abs=1e-5)


def test_an_epoch_in_rounds_shows_every_row_once(model, data, tmp_path):
    history = train(data, model, tmp_path, replace(RECIPE, rounds=2, epochs=2))
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4]


@pytest.mark.slow
def test_two_processes_share_a_run_and_end_near_one_of_twice_the_batch(model, data, tmp_path):
    """Two devices see what one sees with two batches accumulated; sums in another order differ a little."""
    common = ["--method", "prompt", "--tokens", "4", "--learning-rate", "0.01", "--epochs", "2", "--batch", "4"]
    folders = ["--data", str(data), "--model", str(model)]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m", "tuning.ptune"]
    alone = [sys.executable, "-m", "tuning.ptune", "--accumulate", "2"]
    histories = []
    for name, command in (("two", launch), ("one", alone)):
        subprocess.run([*command, *folders, "--out", str(tmp_path / name), *common], check=True, capture_output=True)
        histories.append(json.loads((tmp_path / name / "progress.json").read_text())["history"])
    for two, one in zip(*histories, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], abs=1e-3)
        assert two["dev_loss"] == pytest.approx(one["dev_loss"], abs=1e-3)


@pytest.mark.parametrize("method", ["prompt", "lora"])
def test_a_run_may_go_on_from_another_with_another_recipe(model, data, tmp_path, method):
    first = train(data, model, tmp_path / "first", replace(RECIPE, method=method))
    start = str(tmp_path / "first")
    second = train(data, model, tmp_path / "second", replace(RECIPE, method=method, start=start, learning_rate=1e-6))
    assert second[0]["dev_loss"] == pytest.approx(min(entry["dev_loss"] for entry in first), abs=1e-3)
    other = replace(RECIPE, method=method, start=start, tokens=5)
    if method == "lora":
        train(data, model, tmp_path / "wide", replace(RECIPE, method="lora", wide=True, epochs=1))
        other = replace(other, start=str(tmp_path / "wide"))
    with pytest.raises(InvalidInput, match=r"another shape|virtual tokens"):
        train(data, model, tmp_path / "third", other)
