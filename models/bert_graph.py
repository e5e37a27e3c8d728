"""BERT as an ONNX graph: for one short text it runs about three times as fast as torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.onnx_graph import FLOAT, INT32, PLAIN, Value, Weights, in_float, in_int, model, node


@dataclass(frozen=True, slots=True)
class BertShape:
    """The few numbers that fix a BERT encoder's graph."""

    layers: int
    heads: int
    hidden: int
    epsilon: float

    @classmethod
    def of(cls, folder: Path) -> BertShape | None:
        """Read a model's folder, `None` where it does not hold a plain BERT encoder's config and weights."""
        if not (folder / "model.safetensors").is_file() or not (folder / "config.json").is_file():
            return None
        return cls.read(json.loads((folder / "config.json").read_text(encoding="utf-8")))

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> BertShape | None:
        """Read a model's config, `None` where the model is not a plain BERT encoder with exact GELU."""
        if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
            return None
        if config.get("position_embedding_type", "absolute") != "absolute":
            return None
        return cls(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            hidden=int(config["hidden_size"]),
            epsilon=float(config["layer_norm_eps"]),
        )


def bert_graph(shape: BertShape, weights: Weights) -> bytes:
    """Return a serialized model: `ids` int32 (1, tokens) → `hidden` float32 (1, tokens, hidden)."""
    normal = in_float("epsilon", shape.epsilon)

    nodes = [
        node(
            "EmbedLayerNormalization",
            ["ids", "", "word", "position", "", *_norm("embed_norm")],
            ["x0", "unused"],
            [normal],
        )
    ]
    for layer in range(shape.layers):
        x, y, b = f"x{layer}", f"y{layer}", f"l{layer}."
        nodes += [
            node("Attention", [x, b + "qkv.weight", b + "qkv.bias"], [b + "a"], [in_int("num_heads", shape.heads)]),
            node("MatMul", [b + "a", b + "out.weight"], [b + "o"], domain=PLAIN),
            node("SkipLayerNormalization", [b + "o", x, *_norm(b + "norm1"), b + "out.bias"], [y], [normal]),
            node("MatMul", [y, b + "up.weight"], [b + "u"], domain=PLAIN),
            node("BiasGelu", [b + "u", b + "up.bias"], [b + "g"]),
            node("MatMul", [b + "g", b + "down.weight"], [b + "d"], domain=PLAIN),
            node(
                "SkipLayerNormalization",
                [b + "d", y, *_norm(b + "norm2"), b + "down.bias"],
                [f"x{layer + 1}"],
                [normal],
            ),
        ]
    final = f"x{shape.layers}"
    given = Value("ids", INT32, (1, "tokens"))
    return model("bert", nodes, weights, [given], [Value(final, FLOAT, (1, "tokens", shape.hidden))])


def bert_weights(shape: BertShape, tensors: Mapping[str, NDArray[np.float32]]) -> Weights:
    """Return the graph's initializers from a checkpoint's tensors: matrices as (in, out), query, key, value joined."""
    weights: Weights = {
        "word": tensors["embeddings.word_embeddings.weight"],
        "position": tensors["embeddings.position_embeddings.weight"]
        + tensors["embeddings.token_type_embeddings.weight"][0],  # every token of one text is of type 0
        "embed_norm.weight": tensors["embeddings.LayerNorm.weight"],
        "embed_norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    for layer in range(shape.layers):
        source, b = f"encoder.layer.{layer}.", f"l{layer}."
        parts = [f"{source}attention.self.{part}" for part in ("query", "key", "value")]
        weights[b + "qkv.weight"] = np.concatenate([tensors[part + ".weight"].T for part in parts], axis=1)
        weights[b + "qkv.bias"] = np.concatenate([tensors[part + ".bias"] for part in parts])
        for name, part in (("out", "attention.output"), ("up", "intermediate"), ("down", "output")):
            weights[f"{b}{name}.weight"] = tensors[f"{source}{part}.dense.weight"].T
            weights[f"{b}{name}.bias"] = tensors[f"{source}{part}.dense.bias"]
        for name, part in (("norm1", "attention.output"), ("norm2", "output")):
            weights[f"{b}{name}.weight"] = tensors[f"{source}{part}.LayerNorm.weight"]
            weights[f"{b}{name}.bias"] = tensors[f"{source}{part}.LayerNorm.bias"]
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()}


def _norm(name: str) -> list[str]:
    return [f"{name}.weight", f"{name}.bias"]
