"""A packed GGUF file as plain tensors and a tokeniser, in a second instead of twenty.

`gguf.GGUFReader` and transformers look at each of the hundred thousand strings of a vocabulary by itself, several
times over. Here the header is read once, front to back, as the format is laid out
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3); unpacking the blocks is left to `gguf`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from core.errors import InvalidSetting

MAGIC = b"GGUF"
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GgufFile:
    """What a file holds: its fields by name, and where each tensor lies, as (shape, type, offset)."""

    path: Path
    fields: dict[str, Any]
    places: dict[str, tuple[tuple[int, ...], int, int]]

    def number(self, name: str) -> float:
        """Return a numeric field of the model's architecture.

        Raises:
            InvalidSetting: the file has no such field.
        """
        key = f"{self.fields.get('general.architecture')}.{name}"
        if key not in self.fields:
            raise InvalidSetting(f"{self.path} does not say {key}; is it a language model in GGUF?")
        return float(self.fields[key])

    def tensor(self, name: str) -> NDArray[np.float32]:
        """Return one tensor, unpacked, in the order (out, in).

        Raises:
            InvalidSetting: the file has no such tensor.
        """
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize

        if name not in self.places:
            raise InvalidSetting(f"{self.path} holds no tensor {name}")
        shape, kind, offset = self.places[name]
        packing = GGMLQuantizationType(kind)
        block, size = GGML_QUANT_SIZES[packing]
        rows = (*shape[:-1], shape[-1] // block * size)
        raw = np.memmap(self.path, np.uint8, "r", offset, rows)
        plain: NDArray[np.float32] = dequantize(np.asarray(raw), packing).astype(np.float32).reshape(shape)
        return plain


def read_gguf(path: Path) -> GgufFile:
    """Read the header of a file.

    Raises:
        InvalidSetting: it is no GGUF file of version 2 or 3, or it is cut off.
    """
    data = np.memmap(path, np.uint8, "r").data
    if bytes(data[:4]) != MAGIC or struct.unpack_from("<I", data, 4)[0] not in (2, 3):
        raise InvalidSetting(f"{path} is not a GGUF file of version 2 or 3")
    try:
        return _header(path, data)
    except struct.error as error:
        raise InvalidSetting(f"{path} is cut off; install its package anew") from error


def _header(path: Path, data: memoryview) -> GgufFile:
    tensors, count = struct.unpack_from("<QQ", data, 8)
    at, fields, places = 24, {}, {}
    for _ in range(count):
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        fields[key], at = _value(data, at + 4, kind)
    for _ in range(tensors):
        name, at = _string(data, at)
        (rank,) = struct.unpack_from("<I", data, at)
        *shape, kind, offset = struct.unpack_from(f"<{rank}QIQ", data, at + 4)
        places[name] = (tuple(reversed(shape)), kind, offset)
        at += 4 + 8 * rank + 12
    step = int(fields.get("general.alignment", 32))
    start = -(-at // step) * step
    return GgufFile(
        path, fields, {name: (shape, kind, start + offset) for name, (shape, kind, offset) in places.items()}
    )


def _string(data: memoryview, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + length
    return str(data[at + 8 : end], "utf-8", "replace"), end


def _value(data: memoryview, at: int, kind: int) -> tuple[Any, int]:
    if kind == STRING:
        return _string(data, at)
    if kind != ARRAY:
        return struct.unpack_from(f"<{NUMBERS[kind]}", data, at)[0], at + struct.calcsize(NUMBERS[kind])
    inner, length = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in NUMBERS:
        form = f"<{length}{NUMBERS[inner]}"
        return struct.unpack_from(form, data, at), at + struct.calcsize(form)
    found = []
    for _ in range(length):
        value, at = _value(data, at, inner)
        found.append(value)
    return found, at


def tokenizer_of(file: GgufFile) -> Tokenizer:
    """Return the byte-level BPE tokeniser that a file holds, as transformers reads it (Sennrich et al. 2016).

    Raises:
        InvalidSetting: the file holds another kind.
    """
    if file.fields.get("tokenizer.ggml.model") != "gpt2":
        raise InvalidSetting(f"{file.path} holds no byte-level BPE tokeniser")
    words = file.fields["tokenizer.ggml.tokens"]
    merges = [tuple(line.split(" ", 1)) for line in file.fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={word: place for place, word in enumerate(words)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made
