"""The states of a Llama model with eight bits a number, through ONNX Runtime: for processors that multiply bytes.

A map's weights have a scale for each of its outputs, and what it reads one for each token. A few places have far larger
numbers than the others, in all tokens, and would leave them no room: there, what is read is made smaller, and the
weights that meet it larger, by what `Ranges` measured over texts (Xiao et al. 2023, SmoothQuant). That costs nothing,
since the scales go into the norm or map before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from models.gguf_file import GgufFile
from models.llama_weights import Layer, LlamaWeights
from models.onnx_graph import FLOAT, INT32, PLAIN, Session, Value, Weights, in_float, in_int, in_ints, model, node

FILE = "ranges.safetensors"
"""In the folder of the reader whose states were measured."""
WAY = 0.5
"""How far large numbers are moved from what a map reads into its weights: half, so that both stay as even."""
LEAST, MOST = 1e-5, torch.finfo(torch.float16).max


@dataclass(frozen=True, slots=True)
class Ranges:
    """The largest number that each map of each layer read at each place, (layers, width)."""

    asked: Tensor
    gated: Tensor
    down: Tensor

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read a reader's ranges, `None` where it has none."""
        if not (folder / FILE).is_file():
            return None
        with safe_open(folder / FILE, framework="pt") as file:
            return cls(*(file.get_tensor(one.name).float() for one in fields(cls)))

    def save(self, folder: Path) -> None:
        """Write them beside a reader's weights, in 16 bits, which hold no more than `MOST`."""
        found = {one.name: getattr(self, one.name).clamp_max(MOST).half().contiguous() for one in fields(self)}
        save_file(found, folder / FILE)


def multiplies_bytes() -> bool:
    """Whether this machine's processor has instructions for sums of products of bytes that cannot overflow."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


class EightBitLlama:
    """A decoder without its head; safe to call from several threads."""

    def __init__(
        self, file: GgufFile, adapter: Mapping[str, Tensor], ranges: Ranges, depths: Sequence[int], threads: int
    ) -> None:
        weights = LlamaWeights(file, adapter)
        self.embedding = weights.embedding.half()
        self._turns = weights.turns.numpy()
        graph, numbers = llama_graph(weights, ranges, depths)
        self._session = Session(graph, numbers, threads)

    def read(self, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return the state after the last token of each text, (texts, width), and of all tokens the states within.

        Those within, (tokens, depths x width), are taken after so many layers, each of mean square 1.
        """
        ended, within = [], []
        for text in texts:
            last, *states = (torch.from_numpy(array[0]) for array in self._session.run(self._inputs(text)))
            ended.append(last[-1])
            normed = (functional.rms_norm(one, one.shape[-1:]) for one in states)
            within.append(torch.cat([last[:, :0], *normed], dim=-1))
        return torch.stack(ended), torch.cat(within)

    def _inputs(self, text: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        angles = np.outer(np.arange(len(text), dtype=np.float32), self._turns)
        count = np.array([len(text)], np.int32)
        return {
            "x0": self.embedding[torch.tensor(text)][None].float().numpy(),
            "cosine": np.cos(angles),
            "sine": np.sin(angles),
            "last": count - 1,
            "count": count,
        }


def llama_graph(weights: LlamaWeights, ranges: Ranges, depths: Sequence[int]) -> tuple[bytes, Weights]:
    """Return a serialized model and its initializers.

    The embedded tokens of one text, `x0`, (1, tokens, width) → the states that a head would read, then those after so
    many layers, of the same shape, in float32.
    """
    nodes = [_normed("x0", "l0.norm", "h0", weights.epsilon)]
    numbers: Weights = {"norm": weights.norm.numpy(), "least": np.array([LEAST], np.float32)}
    for number in range(weights.layers):
        layer = evened(weights.layer(number), ranges, number)
        following = f"l{number + 1}.norm" if number + 1 < weights.layers else "norm"
        numbers |= _numbers_of(f"l{number}.", layer)
        nodes += _attention(number, weights) + _feeding(number, following, weights.epsilon)
    shape = (1, "tokens", weights.embedding.shape[1])
    given = [Value("x0", FLOAT, shape), Value("last", INT32, (1,)), Value("count", INT32, (1,))]
    given += [Value(name, FLOAT, ("tokens", weights.size // 2)) for name in ("cosine", "sine")]
    told = [Value(f"h{weights.layers}", FLOAT, shape), *(Value(f"x{depth}", FLOAT, shape) for depth in depths)]
    return model("llama", nodes, numbers, given, told), numbers


def _numbers_of(b: str, layer: Layer) -> Weights:
    gate, up = layer.gated.chunk(2)
    found: Weights = {b + "norm": layer.attention_norm.numpy(), b + "fed_norm": layer.fed_norm.numpy()}
    maps = {"asked": layer.asked, "answered": layer.answered, "gate": gate, "up": up, "down": layer.down}
    for name, weight in maps.items():
        found |= _in_bytes(b + name, weight)
    return found


def _attention(number: int, weights: LlamaWeights) -> list[bytes]:
    """Return the operators from a layer's normed states `h` and states `x` to `mid` and, normed, `fed`."""
    b = f"l{number}."
    heads = [in_int("num_heads", weights.heads), in_int("kv_num_heads", weights.pairs), in_int("do_rotary", 1)]
    places = ["last", "count", "cosine", "sine"]
    seen = [b + "seen", b + "keys", b + "values"]
    return [
        *_mapped(f"h{number}", {b + "asked": b + "q"}),
        node("GroupQueryAttention", [b + "q", "", "", "", "", *places], seen, heads),
        *_mapped(b + "seen", {b + "answered": b + "told"}),
        _added(b + "told", f"x{number}", b + "fed_norm", [b + "fed", b + "mid"], weights.epsilon),
    ]


def _feeding(number: int, following: str, epsilon: float) -> list[bytes]:
    """Return those from there to the next layer's `x` and `h`."""
    b = f"l{number}."
    return [
        *_mapped(b + "fed", {b + "gate": b + "g", b + "up": b + "u"}),
        node("QuickGelu", [b + "g"], [b + "s"], [in_float("alpha", 1.0)]),  # x times its sigmoid
        node("Mul", [b + "s", b + "u"], [b + "m"], domain=PLAIN),
        *_mapped(b + "m", {b + "down": b + "d"}),
        _added(b + "d", b + "mid", following, [f"h{number + 1}", f"x{number + 1}"], epsilon),
    ]


def evened(layer: Layer, ranges: Ranges, number: int) -> Layer:
    """Return a layer that gives the same states, in which the large numbers that maps read are made smaller.

    What is divided in a map's input is multiplied in its weights: in the norm before, and for `down` in `up`, whose
    outputs it reads under the gate. Attention's sums have no such numbers.
    """
    asked = _scales(ranges.asked[number], layer.asked)
    gated = _scales(ranges.gated[number], layer.gated)
    down = _scales(ranges.down[number], layer.down)
    gate, up = (layer.gated * gated).chunk(2)
    return Layer(
        layer.attention_norm / asked,
        layer.asked * asked,
        layer.answered,
        layer.fed_norm / gated,
        torch.cat([gate, up / down[:, None]]),
        layer.down * down,
    )


def _scales(read: Tensor, weight: Tensor) -> Tensor:
    """Return what to divide each place of a map's input by, from the largest numbers read and met there."""
    return read.clamp_min(LEAST) ** WAY / weight.abs().amax(0).clamp_min(LEAST) ** (1 - WAY)


def _in_bytes(name: str, weight: Tensor) -> Weights:
    """Return a map, (in, out), in eight bits, and the scales of its outputs."""
    scale = weight.abs().amax(1).clamp_min(LEAST) / 127
    return {
        name: np.ascontiguousarray((weight / scale[:, None]).round().to(torch.int8).numpy().T),
        f"{name}.scale": scale.numpy(),
    }


def _mapped(read: str, maps: Mapping[str, str]) -> list[bytes]:
    """Return what one or several maps, by name, make of the same states: each token is scaled by its largest number."""
    size, most, even, told = (f"{read}.{part}" for part in ("size", "most", "even", "bytes"))
    scaled = [told, f"{told}.scale", f"{told}.zero"]
    nodes = [
        node("Abs", [read], [size], domain=PLAIN),
        node("ReduceMax", [size], [f"{most}.found"], [in_ints("axes", [-1])], PLAIN),
        node("Max", [f"{most}.found", "least"], [most], domain=PLAIN),
        node("Div", [read, most], [even], domain=PLAIN),
        node("DynamicQuantizeLinear", [even], scaled, domain=PLAIN),
    ]
    for name, found in maps.items():
        inputs = [told, name, scaled[1], f"{name}.scale", scaled[2]]
        nodes.append(node("MatMulIntegerToFloat", inputs, [f"{name}.even"]))
        nodes.append(node("Mul", [f"{name}.even", most], [found], domain=PLAIN))
    return nodes


def _normed(read: str, norm: str, told: str, epsilon: float) -> bytes:
    options = [in_float("epsilon", epsilon), in_int("axis", -1)]
    return node("SimplifiedLayerNormalization", [read, norm], [told], options, PLAIN)


def _added(one: str, other: str, norm: str, told: Sequence[str], epsilon: float) -> bytes:
    """Return the sum of two states, normed and as it is."""
    normed, plain = told
    options = [in_float("epsilon", epsilon)]
    return node("SkipSimplifiedLayerNormalization", [one, other, norm], [normed, "", "", plain], options)
