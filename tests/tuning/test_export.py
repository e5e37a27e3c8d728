import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.tuning.tiny_model import save_tiny_model
from tuning import export as exporting
from tuning.export import export, task_prefix, task_tokens


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    home = tmp_path_factory.mktemp("export")
    model = save_tiny_model(home / "base")
    torch.manual_seed(3)
    for task in ("answer", "summary"):
        (home / task).mkdir()
        save_file({"virtual_tokens": torch.randn(4, 32) * 5}, home / task / "virtual_tokens.safetensors")
    rows = [{"messages": [{"role": "user", "content": f"where is the rain {'a ' * n}"}]} for n in range(12)]
    (home / "check.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    runs = {"answer": home / "answer", "summary": home / "summary"}
    report = export(model, runs, check=home / "check.jsonl", out=home / "out", limit=12)
    return home, report


def test_the_baked_folder_gives_the_logits_of_the_virtual_tokens(baked):
    _, report = baked
    for task in ("answer", "summary"):
        assert report[task]["max_logit_difference"] <= 1e-3
        assert report[task]["greedy_identical"] == 1.0


def test_the_saved_folder_loads_as_any_checkpoint_and_prefix_is_plain_text(baked):
    home, _ = baked
    tokenizer = AutoTokenizer.from_pretrained(home / "out")
    model = AutoModelForCausalLM.from_pretrained(home / "out")
    ids = tokenizer(task_prefix("answer", 4) + "<s> user where", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids[:4]) == task_tokens("answer", 4)
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert table.data_ptr() != head.data_ptr()
    assert not model.config.tie_word_embeddings


def test_an_added_token_is_never_sampled_even_hot(baked):
    home, _ = baked
    tokenizer = AutoTokenizer.from_pretrained(home / "out")
    model = AutoModelForCausalLM.from_pretrained(home / "out")
    real = len(tokenizer) - 8
    ids = tokenizer(
        task_prefix("summary", 4) + "<s> user where is the rain", return_tensors="pt", add_special_tokens=False
    )
    with torch.no_grad():
        logits = model(input_ids=ids.input_ids).logits
    hot = torch.softmax(logits[:, 4:].double() / 5.0, dim=-1)  # nothing is sampled between virtual tokens
    assert float(hot[..., real:].sum()) < 1e-12
    torch.manual_seed(0)
    model.generation_config.suppress_tokens = None
    made = model.generate(**ids, do_sample=True, temperature=5.0, top_k=0, max_new_tokens=60, min_new_tokens=60)
    assert int(made[0, ids.input_ids.shape[1] :].max()) < real


def test_states_that_point_everywhere_are_measured_as_unsafe():
    torch.manual_seed(0)
    states = torch.randn(400, 8)
    _, report = exporting._losing_row(torch.cat([states, -states]), torch.randn(20, 8), 20)
    assert report["losing_margin"] < exporting.LOSING_MARGIN


def test_a_folder_whose_added_tokens_could_win_is_not_written(baked, monkeypatch, tmp_path):
    home, report = baked
    monkeypatch.setattr(exporting, "LOSING_MARGIN", report["losing_margin"] * 2)
    with pytest.raises(ValueError, match="winning"):
        export(home / "base", {"answer": home / "answer"}, check=home / "check.jsonl", out=tmp_path / "out", limit=12)
    assert not (tmp_path / "out").exists()
