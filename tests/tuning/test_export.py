import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from core.errors import InvalidInput
from tests.tuning.tiny_model import save_tiny_model
from tuning import export as exporting
from tuning.export import export, task_prefix, task_tokens
from tuning.model_cli import cli


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


def test_the_command_takes_a_run_and_a_kept_task_and_names_what_is_neither(baked, tmp_path):
    home, _ = baked
    (tmp_path / "run").mkdir()
    shutil.copytree(home / "summary", tmp_path / "run" / "best")
    tasks = ["--task", f"answer={home / 'answer'}", "--task", f"summary={tmp_path / 'run'}"]
    fixed = ["--model", str(home / "base"), "--check", str(home / "check.jsonl"), "--limit", "4", "--json"]
    done = CliRunner().invoke(cli, ["export", *tasks, *fixed, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert set(json.loads((tmp_path / "out" / "attest_tasks.json").read_text())["tasks"]) == {"answer", "summary"}
    wrong = CliRunner().invoke(cli, ["export", "--task", f"answer={home}", *fixed, "--out", str(tmp_path / "none")])
    assert isinstance(wrong.exception, InvalidInput)
    assert "no virtual_tokens.safetensors there" in str(wrong.exception)


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


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_folder_in_half_precision_never_samples_an_added_token_at_any_temperature(baked, dtype, tmp_path):
    home, _ = baked
    runs = {"answer": home / "answer"}
    export(home / "base", runs, check=home / "check.jsonl", out=tmp_path, limit=12, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=getattr(torch, dtype))
    messages = [{"role": "user", "content": "where is the rain"}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, task="answer")
    assert text.startswith(task_prefix("answer", 4))
    with torch.no_grad():
        logits = model(tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids).logits.double()
    assert torch.isfinite(logits).all()
    hot = torch.softmax(logits[:, 4:] / (1e6 if dtype == "bfloat16" else 20), dim=-1)
    assert float(hot[..., len(tokenizer) - 4 :].sum()) < 1e-12


def test_a_task_the_checkpoint_does_not_hold_is_an_error_not_an_untuned_answer(baked):
    home, _ = baked
    tokenizer = AutoTokenizer.from_pretrained(home / "out")
    messages = [{"role": "user", "content": "where"}]
    plain = tokenizer.apply_chat_template(messages, tokenize=False)
    assert plain == AutoTokenizer.from_pretrained(home / "base").apply_chat_template(messages, tokenize=False)
    with pytest.raises(Exception, match="no task of this name"):
        tokenizer.apply_chat_template(messages, tokenize=False, task="voice")
