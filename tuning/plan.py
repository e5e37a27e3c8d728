"""Capacity: what a model needs to answer so many people at once, from its shape alone.

Formulas (b = bytes a parameter or cache element, bf16: 2):

    weights        = parameters · b
    cache a token  = 2 · layers · key-value heads · head dimension · b
    room           = GPUs · memory · 0.9 − weights − GPUs · 2 GB (graphs, activations)
    sequences      = room ÷ (cache a token · (input + output))
    step           = max((weights + sequences · cache · (input + output ÷ 2)) ÷ (GPUs · bandwidth · 0.6),
                         2 · parameters · sequences ÷ (GPUs · FLOP/s · 0.5))      one decoded token for all sequences
    prefill        = 2 · parameters · input ÷ (GPUs · FLOP/s · 0.5)               one request, no prefix cached
    answers/s      = 1 ÷ (prefill + output · step ÷ sequences)
    cost of 1,000  = price · GPUs ÷ 3600 ÷ answers/s · 1000                            at full load

The efficiencies (0.9, 0.6, 0.5) are usual for vLLM on one host; between hosts less is reached. Orders of magnitude, not
promises: measure with your own questions before buying.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from models.sources import find_weights

MEMORY_SHARE = 0.9
BANDWIDTH_SHARE = 0.6
COMPUTE_SHARE = 0.5
RESERVED_GB = 2.0
LARGEST_GROUP = 64
GB = 1e9
BYTES: Mapping[str, float] = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "int4": 0.55}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU: memory in GB, bandwidth in TB/s, dense 16-bit TFLOP/s, a usual price in US dollars an hour."""

    name: str
    memory_gb: float
    bandwidth_tb_s: float
    tflops: float
    usd_per_hour: float


GPUS: Mapping[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("l4", 24, 0.30, 121, 0.8),
        Gpu("a10", 24, 0.60, 125, 1.0),
        Gpu("l40s", 48, 0.86, 362, 1.9),
        Gpu("a100-80", 80, 2.0, 312, 2.5),
        Gpu("h100", 80, 3.35, 989, 4.0),
        Gpu("h200", 141, 4.8, 989, 5.0),
        Gpu("b200", 180, 8.0, 2250, 8.0),
    )
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides its memory and its speed; `active` parameters work on each token."""

    name: str
    parameters: float
    active: float
    layers: int
    cache_heads: int
    head_dimension: int


@dataclass(frozen=True, slots=True)
class Load:
    """How many people ask at once, and how long questions with their passages, and answers, are in tokens."""

    users: int
    input_tokens: int = 3000
    output_tokens: int = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """What one kind of GPU would do."""

    gpu: str
    weights_gb: float
    cache_kb_per_token: float
    gpus_per_replica: int
    sequences_per_replica: int
    replicas: int
    gpus: int
    prefill_ms: float
    ms_per_token: float
    answer_s: float
    tokens_per_s: float
    answers_per_s: float
    usd_per_hour: float
    usd_per_1000_answers: float

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a dictionary."""
        return asdict(self)


TYPICAL = {  # billions of parameters: layers, key-value heads, head dimension; between them the next larger stands in
    0.2: (30, 3, 64),
    1: (16, 8, 64),
    3: (28, 8, 128),
    8: (32, 8, 128),
    14: (40, 8, 128),
    32: (64, 8, 128),
    72: (80, 8, 128),
    130: (88, 8, 128),
    405: (126, 8, 128),
}


def shape_of(model: str) -> Shape:
    """Return the shape of a model: a size such as `8B` or `135M`, a folder with config.json, or a cached hub name.

    Raises:
        InvalidInput: it is none of these.
    """
    if (size := _size(model)) is not None:
        row = next((row for billions, row in TYPICAL.items() if billions >= size), TYPICAL[405])
        return Shape(model, size * 1e9, size * 1e9, *row)
    path = find_weights(model)
    config = (path if path.is_dir() else path.parent) / "config.json"
    if not config.is_file():
        raise InvalidInput(f"{path} has no config.json; give a size such as 135M or 8B")
    return shape_from_config(model, json.loads(Path(config).read_text(encoding="utf-8")))


def _size(model: str) -> float | None:
    unit = {"m": 1e-3, "b": 1.0}.get(model[-1:].lower())
    try:
        return None if unit is None else float(model[:-1]) * unit
    except ValueError:
        return None


def shape_from_config(name: str, config: Mapping[str, Any]) -> Shape:
    """Count a decoder's parameters from its config; experts count whole in memory and by the token in work."""
    try:
        width, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        heads, inner = int(config["num_attention_heads"]), int(config["intermediate_size"])
        vocabulary = int(config["vocab_size"])
    except KeyError as error:
        raise InvalidInput(f"{name}: config.json says nothing of {error}") from error
    cache_heads = int(config.get("num_key_value_heads") or heads)
    head = int(config.get("head_dim") or width // heads)
    attention = 2 * width * head * (heads + cache_heads)
    experts = int(config.get("num_local_experts") or config.get("num_experts") or 1)
    chosen = int(config.get("num_experts_per_tok") or 1)
    expert = 3 * width * int(config.get("moe_intermediate_size") or inner if experts > 1 else inner)
    table = vocabulary * width * (1 if config.get("tie_word_embeddings") else 2)
    whole = table + layers * (attention + experts * expert + 2 * width) + width
    active = table + layers * (attention + min(chosen, experts) * expert + 2 * width) + width
    return Shape(name, whole, active, layers, cache_heads, head)


def plan(shape: Shape, load: Load, gpu: Gpu, precision: str = "bf16") -> Plan:
    """Plan the smallest group of GPUs that holds the model and a request, and as many groups as the users need.

    Raises:
        InvalidInput: the precision is unknown, or no group of a usual size holds the model.
    """
    if precision not in BYTES:
        raise InvalidInput(f"precision is one of {', '.join(BYTES)}")
    weights = shape.parameters * BYTES[precision]
    cache = 2.0 * shape.layers * shape.cache_heads * shape.head_dimension * max(BYTES[precision], 1)
    group = _group(weights, cache, load, gpu)
    sequences = min(_room(weights, cache, load, gpu, group), load.users)
    speed = group * gpu.tflops * 1e12 * COMPUTE_SHARE
    moved = shape.active * BYTES[precision] + sequences * cache * (load.input_tokens + load.output_tokens / 2)
    step = max(moved / (group * gpu.bandwidth_tb_s * 1e12 * BANDWIDTH_SHARE), 2 * shape.active * sequences / speed)
    prefill = 2 * shape.active * load.input_tokens / speed
    rate = 1 / (prefill + load.output_tokens * step / sequences)
    replicas = math.ceil(load.users / sequences)
    price = replicas * group * gpu.usd_per_hour
    return Plan(
        gpu=gpu.name,
        weights_gb=weights / GB,
        cache_kb_per_token=cache / 1e3,
        gpus_per_replica=group,
        sequences_per_replica=sequences,
        replicas=replicas,
        gpus=replicas * group,
        prefill_ms=prefill * 1e3,
        ms_per_token=step * 1e3,
        answer_s=sequences / rate,
        tokens_per_s=replicas * rate * load.output_tokens,
        answers_per_s=replicas * rate,
        usd_per_hour=price,
        usd_per_1000_answers=price / 3600 / (replicas * rate) * 1000,
    )


def _room(weights: float, cache: float, load: Load, gpu: Gpu, group: int) -> int:
    """Return how many requests a group holds at once."""
    room = group * (gpu.memory_gb * MEMORY_SHARE - RESERVED_GB) * GB - weights
    return max(0, int(room // (cache * (load.input_tokens + load.output_tokens))))


def _group(weights: float, cache: float, load: Load, gpu: Gpu) -> int:
    """Return the smallest power of two of GPUs that holds the weights and at least one request."""
    group = 1
    while group <= LARGEST_GROUP:
        if _room(weights, cache, load, gpu, group) >= 1:
            return group
        group *= 2
    raise InvalidInput(f"{weights / GB:.0f} GB of weights do not fit {LARGEST_GROUP} GPUs of {gpu.memory_gb:.0f} GB")
