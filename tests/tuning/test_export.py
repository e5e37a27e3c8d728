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
    hot = torch.softmax(logits.double() / 1e6, dim=-1)
    assert float(hot[..., real:].sum()) == 0.0
    torch.manual_seed(0)
    model.generation_config.suppress_tokens = None
    made = model.generate(**ids, do_sample=True, temperature=5.0, top_k=0, max_new_tokens=60, min_new_tokens=60)
    assert int(made[0, ids.input_ids.shape[1] :].max()) < real


def test_no_text_makes_an_added_token_win_even_one_whose_states_no_check_prompt_showed(tmp_path):
    torch.manual_seed(3)
    model = save_tiny_model(tmp_path / "base")
    tokenizer, base = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    unseen = tokenizer.convert_tokens_to_ids("hill")
    with torch.no_grad():  # its states lie against what the states of all other words share
        base.model.embed_tokens.weight[unseen, 0] = -8.0
    base.save_pretrained(model)
    rows = [{"messages": [{"role": "user", "content": f"where is the rain {'a ' * n}"}]} for n in range(12)]
    (tmp_path / "check.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "answer").mkdir()
    save_file({"virtual_tokens": torch.randn(4, 32) * 5}, tmp_path / "answer" / "virtual_tokens.safetensors")
    runs = {"answer": tmp_path / "answer"}
    report = export(model, runs, check=tmp_path / "check.jsonl", out=tmp_path / "out", limit=12)
    baked = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        logits = baked(input_ids=torch.tensor([[1] + [unseen] * 20])).logits[0].double()
    behind = logits[:, : len(tokenizer)].max(dim=-1).values - logits[:, len(tokenizer) :].max(dim=-1).values
    assert float(behind.min()) >= report["losing_margin"] >= exporting.LOSING_MARGIN


def test_a_table_with_rows_that_no_token_uses_is_exported_all_the_same(baked, tmp_path):
    home, _ = baked
    model = AutoModelForCausalLM.from_pretrained(home / "base")
    model.resize_token_embeddings(40, mean_resizing=False)
    AutoTokenizer.from_pretrained(home / "base").save_pretrained(tmp_path / "base")
    model.save_pretrained(tmp_path / "base")
    runs = {"answer": home / "answer"}
    report = export(tmp_path / "base", runs, check=home / "check.jsonl", out=tmp_path / "out", limit=4)
    assert report["answer"]["max_logit_difference"] <= 1e-3
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.vocab_size == 40


def test_tokens_of_another_model_are_refused(baked, tmp_path):
    home, _ = baked
    save_file({"virtual_tokens": torch.randn(4, 48)}, tmp_path / "virtual_tokens.safetensors")
    with pytest.raises(InvalidInput, match=r"width 48 are not of .*base, whose width is 32"):
        export(home / "base", {"answer": tmp_path}, check=home / "check.jsonl", out=tmp_path / "out", limit=4)


def test_a_folder_whose_added_tokens_could_win_is_not_written(baked, monkeypatch, tmp_path):
    home, report = baked
    monkeypatch.setattr(exporting, "LOSING_MARGIN", report["losing_margin"] * 2)
    runs = {"answer": home / "answer"}
    with pytest.raises(InvalidInput, match="as far as proved"):
        export(home / "base", runs, check=home / "check.jsonl", out=tmp_path / "out", limit=12)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("key", "value"), [("max_logit_difference", float("nan")), ("greedy_identical", 0.98)])
def test_a_folder_that_does_not_do_what_was_trained_is_not_written(baked, monkeypatch, tmp_path, key, value):
    home, report = baked
    monkeypatch.setattr(exporting, "compare", lambda *_: {**report["answer"], key: value})
    with pytest.raises(InvalidInput, match="answer: not exported"):
        export(home / "base", {"answer": home / "answer"}, check=home / "check.jsonl", out=tmp_path / "out", limit=12)
    assert not (tmp_path / "out").exists()


def test_an_export_is_checked_with_prompts_and_named_by_a_task(baked, tmp_path):
    home, _ = baked
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InvalidInput, match="no rows"):
        export(home / "base", {"answer": home / "answer"}, check=tmp_path / "empty.jsonl", out=tmp_path / "out")
    with pytest.raises(InvalidInput, match="no name of a task"):
        export(home / "base", {"a'}": home / "answer"}, check=home / "check.jsonl", out=tmp_path / "out")


def test_a_folder_in_bfloat16_never_samples_an_added_token_at_any_temperature(baked, tmp_path):
    home, _ = baked
    runs = {"answer": home / "answer"}
    export(home / "base", runs, check=home / "check.jsonl", out=tmp_path, limit=12, dtype="bfloat16")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    messages = [{"role": "user", "content": "where is the rain"}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, task="answer")
    assert text.startswith(task_prefix("answer", 4))
    with torch.no_grad():
        logits = model(tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids).logits.double()
    assert torch.isfinite(logits).all()
    hot = torch.softmax(logits / 1e6, dim=-1)
    assert float(hot[..., len(tokenizer) - 4 :].sum()) == 0.0


def test_a_task_the_checkpoint_does_not_hold_is_an_error_not_an_untuned_answer(baked):
    home, _ = baked
    tokenizer = AutoTokenizer.from_pretrained(home / "out")
    messages = [{"role": "user", "content": "where"}]
    plain = tokenizer.apply_chat_template(messages, tokenize=False)
    assert plain == AutoTokenizer.from_pretrained(home / "base").apply_chat_template(messages, tokenize=False)
    with pytest.raises(Exception, match="no task of this name"):
        tokenizer.apply_chat_template(messages, tokenize=False, task="voice")
