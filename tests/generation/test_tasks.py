"""Tuned tasks in the embedded model and asked of a server, with a model of a few thousand parameters."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core.errors import NotFound
from core.settings import GenerationSettings
from generation.adapted import with_adapter
from generation.embedded import EmbeddedGenerator, _load, _refusing, best_passages, renumbered
from generation.prompts import NOT_FOUND
from generation.tasks import find_task, local_task, served_task, task_name
from generation.vllm import VllmGenerator
from tests.generation.passages import CONTACT, LEAVE, RATES, evidence_of
from tests.tuning.tiny_model import save_tiny_model
from tests.wire_double import MODEL, wire_double

CARD = {"method": "ptune", "prompt": "brief", "tokens": 4}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("home")
    save_tiny_model(home / "base")
    torch.manual_seed(5)
    for name in ("answer", "lora"):
        (home / "tasks" / name).mkdir(parents=True)
        (home / "tasks" / name / "task.json").write_text(json.dumps(CARD))
    save_file({"virtual_tokens": torch.randn(4, 32)}, home / "tasks" / "answer" / "virtual_tokens.safetensors")
    _save_adapter(home)
    return home


def _save_adapter(home: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = AutoModelForCausalLM.from_pretrained(home / "base")
    adapted = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=4, target_modules=["v_proj", "o_proj"])
    )
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=3.0)
    adapted.save_pretrained(home / "tasks" / "lora")


def settings_for(home: Path, **changes: object) -> GenerationSettings:
    values = {"embedded_model": str(home / "base"), "max_tokens": 6, "context_tokens": 256, **changes}
    return GenerationSettings(**values)  # type: ignore[arg-type]


def test_the_collection_of_the_evidence_names_the_task(home: Path) -> None:
    settings = settings_for(home, task="answer", collection_tasks={"hr": "lora"})
    evidence = evidence_of(CONTACT)
    hr = [replace(item, hit=replace(item.hit, collection="hr")) for item in evidence]
    assert task_name(settings, evidence) == "answer"
    assert task_name(settings, hr) == "lora"
    assert task_name(settings, [*evidence, *hr]) == "answer"
    assert local_task(settings_for(home, task="none"), evidence, home) is None
    with pytest.raises(NotFound, match="no tuned task"):
        find_task("../answer", home)


def test_virtual_tokens_go_in_front_and_share_the_weights_an_adapter_has_its_own(home: Path) -> None:
    plain, tuned, adapted = (
        _load(str(home / "base"), task) for task in (None, find_task("answer", home), find_task("lora", home))
    )
    messages = [{"role": "user", "content": "where is the rain"}]
    assert tuned.length(tuned.encode(messages)) == plain.length(plain.encode(messages)) + 4
    assert tuned.model is plain.model
    assert adapted.model is not plain.model
    rows = load_file(home / "tasks" / "answer" / "virtual_tokens.safetensors")["virtual_tokens"]
    assert torch.equal(tuned.encode(messages)["inputs_embeds"][0, :4], rows)


@pytest.mark.parametrize("task", ["none", "answer"])
def test_each_kind_of_task_drafts(home: Path, task: str) -> None:
    generator = EmbeddedGenerator(settings_for(home, task=task), home)
    assert "".join(generator.draft("where is the rain", evidence_of("rain falls on the hill"))).strip()


def test_an_adapter_gives_the_logits_that_its_library_gives(home: Path) -> None:
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(home / "base")
    ours = with_adapter(base, home / "tasks" / "lora")
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(home / "base"), home / "tasks" / "lora")
    ids = torch.tensor([[3, 5, 7, 9]])
    with torch.no_grad():
        assert torch.allclose(ours(ids).logits, theirs(ids).logits, atol=1e-5)
        assert not torch.allclose(ours(ids).logits, base(ids).logits, atol=1e-2)


def test_a_tuned_model_sees_the_best_passages_and_its_markers_become_those_of_the_evidence() -> None:
    evidence = evidence_of(CONTACT, LEAVE, RATES, CONTACT)[::-1]
    assert [item.marker for item in best_passages(evidence, 3)] == [3, 2, 1]
    pieces = ["240 hours [", "2", "] and 120 [1", "][3]", " [x [9"]
    assert "".join(renumbered(pieces, {1: 4, 2: 7, 3: 1})) == "240 hours [7] and 120 [4][1] [x [9"


def test_a_server_is_asked_for_a_task_in_its_checkpoint_and_for_an_adapter_it_lists(home: Path) -> None:
    with wire_double(mode="cite") as double:
        for task, wanted in (("voice", {"model": MODEL, "chat_template_kwargs": {"task": "voice"}}), (MODEL, {})):
            settings = GenerationSettings(vllm_urls=(double.url,), vllm_model="base", task=task)
            list(VllmGenerator(settings, home).draft("Which tool?", evidence_of(CONTACT)))
            request = double.requests[-1]
            assert request.get("chat_template_kwargs") == wanted.get("chat_template_kwargs")
            assert request["model"] == (MODEL if task == MODEL else "base")
            assert request["messages"][-1]["content"].startswith("Question: Which tool?")
        list(VllmGenerator(GenerationSettings(vllm_urls=(double.url,))).draft("Which tool?", evidence_of(CONTACT)))
        assert "chat_template_kwargs" not in double.requests[-1]


def test_a_served_task_is_asked_with_the_prompt_it_was_trained_with(home: Path) -> None:
    (home / "tasks" / "long").mkdir(exist_ok=True)
    (home / "tasks" / "long" / "task.json").write_text(json.dumps(CARD | {"prompt": "full"}))
    found = {
        name: served_task(GenerationSettings(task=name), (), home) for name in ("long", "elsewhere", "auto", "none")
    }
    assert found["long"]
    assert found["long"].prompt == "full"
    assert found["elsewhere"]
    assert found["elsewhere"].prompt == "brief"
    assert found["auto"] is found["none"] is None
    assert load_file(home / "tasks" / "answer" / "virtual_tokens.safetensors")["virtual_tokens"].shape == (4, 32)


def test_a_bias_makes_refusing_likelier_at_the_first_token_only(home: Path) -> None:
    (home / "tasks" / "biased").mkdir(exist_ok=True)
    (home / "tasks" / "biased" / "task.json").write_text(json.dumps(CARD | {"refusal_bias": -1.5}))
    assert find_task("biased", home).refusal_bias == -1.5
    tokenizer = _load(str(home / "base"), None).tokenizer
    refusing = tokenizer.encode(NOT_FOUND, add_special_tokens=False)[0]
    (process,) = _refusing(tokenizer, -1.5)
    first, second = (process(None, torch.zeros(1, 25)) for _ in range(2))
    assert first[0, refusing] == -1.5
    assert first.sum() == -1.5
    assert not second.any()
    assert _refusing(tokenizer, 0.0) == []
