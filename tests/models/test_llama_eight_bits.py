from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.gguf_file import read_gguf
from models.llama import Llama
from models.llama_eight_bits import FILE, EightBitLlama, Ranges, evened, llama_graph
from models.llama_weights import LlamaWeights
from tuning.reader_ranges import ranges_of

TEXTS = [[3, 7, 9, 1], [5], [number * 7 % 40 for number in range(1, 31)]]


class Whole(torch.nn.Module):
    """The model as transformers holds it under a head."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> object:
        return self.model(input_ids=input_ids)


@pytest.fixture(scope="module")
def ranges(tiny: tuple[Path, torch.nn.Module]) -> Ranges:
    return ranges_of(Whole(tiny[1]), TEXTS)


def test_states_are_nearly_those_in_floats(tiny: tuple[Path, torch.nn.Module], ranges: Ranges) -> None:
    file = read_gguf(tiny[0])
    wanted, wanted_within = Llama(file, "cpu", torch.float32, {}).read(TEXTS, (1,))
    found, within = EightBitLlama(file, {}, ranges, (1,), threads=1).read(TEXTS)
    assert found.shape == wanted.shape
    assert within.shape == wanted_within.shape
    for one, other in ((found, wanted), (within, wanted_within)):
        near = torch.cosine_similarity(one, other, dim=-1)
        assert near.min() > 0.995
        assert torch.cosine_similarity(one, other.roll(1, 0), dim=-1).mean() < 0.9


def test_an_adapter_counts(tiny: tuple[Path, torch.nn.Module], ranges: Ranges) -> None:
    torch.manual_seed(5)
    name = "model.layers.1.mlp.up_proj.weight"
    change = {f"{name}.a": torch.randn(3, 64), f"{name}.b": torch.randn(96, 3)}
    file = read_gguf(tiny[0])
    wanted = Llama(file, "cpu", torch.float32, change).read(TEXTS)[0]
    plain = EightBitLlama(file, {}, ranges, (), threads=1).read(TEXTS)[0]
    found = EightBitLlama(file, change, ranges, (), threads=1).read(TEXTS)[0]
    assert torch.cosine_similarity(found, wanted, dim=-1).min() > 0.98
    assert torch.cosine_similarity(plain, wanted, dim=-1).min() < 0.9


def test_a_layer_made_even_gives_the_same_states(tiny: tuple[Path, torch.nn.Module], ranges: Ranges) -> None:
    layer = LlamaWeights(read_gguf(tiny[0]), {}).layer(1)
    small = evened(layer, ranges, 1)
    states = torch.randn(5, 64)
    for norm, weight in (("attention_norm", "asked"), ("fed_norm", "gated")):
        wanted = (states * getattr(layer, norm)) @ getattr(layer, weight).T
        found = (states * getattr(small, norm)) @ getattr(small, weight).T
        if weight == "gated":  # up's outputs are made smaller for `down`, which makes up for it
            wanted, found = (
                (one.chunk(2, -1)[1] @ down.T) for one, down in ((wanted, layer.down), (found, small.down))
            )
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_all_maps_are_in_bytes(tiny: tuple[Path, torch.nn.Module], ranges: Ranges) -> None:
    kinds = {
        name: array.dtype for name, array in llama_graph(LlamaWeights(read_gguf(tiny[0]), {}), ranges, ())[1].items()
    }
    assert {name.partition(".")[2] for name, kind in kinds.items() if kind == "int8"} == {
        "asked", "answered", "gate", "up", "down"
    }  # fmt: skip


def test_ranges_are_kept_beside_the_weights(tmp_path: Path, ranges: Ranges) -> None:
    assert Ranges.load(tmp_path) is None
    ranges.save(tmp_path)
    found = Ranges.load(tmp_path)
    assert found is not None
    torch.testing.assert_close(found.down, ranges.down, rtol=1e-3, atol=1e-3)
    assert set(load_file(tmp_path / FILE)) == {"asked", "gated", "down"}
    Ranges(ranges.asked, ranges.gated, ranges.down * 1e6).save(tmp_path)
    vast = Ranges.load(tmp_path)
    assert vast is not None
    assert torch.isfinite(vast.down).all()
