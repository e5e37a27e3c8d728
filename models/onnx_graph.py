"""ONNX graphs written out directly, and run by ONNX Runtime: nothing is exported, cached or shipped twice.

A graph holds no weights: they are handed over beside it when it is loaded. Fused operators are those of ONNX Runtime's
`com.microsoft` domain, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
Wire format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers in the calls below).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Weights: TypeAlias = dict[str, NDArray[Any]]
IR_VERSION = 8
OPSET = 17
FLOAT, INT8, INT32 = 1, 3, 6  # TensorProto.DataType
KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.int8): INT8}
"""Of initializers."""
EXTERNAL = 1  # TensorProto.DataLocation
FLOAT_ATTRIBUTE, INT_ATTRIBUTE, INTS_ATTRIBUTE = 1, 2, 7  # AttributeProto.AttributeType
CONTRIB, PLAIN = "com.microsoft", ""
"""Domains of operators."""


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output of a graph: its name, its kind of number and its shape, where names stand for any size."""

    name: str
    kind: int
    shape: Sequence[int | str]


def node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Sequence[bytes] = (), domain: str = CONTRIB
) -> bytes:
    """Return an operator; inputs and outputs that are left out have no name."""
    return b"".join(
        [
            *(_text(1, name) for name in inputs),
            *(_text(2, name) for name in outputs),
            _text(4, kind),
            *(_bytes(5, attribute) for attribute in attributes),
            _text(7, domain),
        ]
    )


def in_float(name: str, value: float) -> bytes:
    """Return an attribute of an operator."""
    return _text(1, name) + b"\x15" + struct.pack("<f", value) + _number(20, FLOAT_ATTRIBUTE)


def in_int(name: str, value: int) -> bytes:
    """Return an attribute of an operator; a negative one is written in two's complement, as the format has it."""
    return _text(1, name) + _number(3, value % 2**64) + _number(20, INT_ATTRIBUTE)


def in_ints(name: str, values: Sequence[int]) -> bytes:
    """Return an attribute of an operator that is a list."""
    return _text(1, name) + b"".join(_number(8, value % 2**64) for value in values) + _number(20, INTS_ATTRIBUTE)


def model(
    name: str,
    nodes: Sequence[bytes],
    weights: Mapping[str, NDArray[Any]],
    given: Sequence[Value],
    told: Sequence[Value],
) -> bytes:
    """Return a serialized model of these operators, inputs and outputs."""
    graph = b"".join(
        [
            *(_bytes(1, one) for one in nodes),
            _text(2, name),
            *(_bytes(5, _initializer(key, array)) for key, array in weights.items()),
            *(_bytes(11, _value(one)) for one in given),
            *(_bytes(12, _value(one)) for one in told),
        ]
    )
    opsets = [_text(1, PLAIN) + _number(2, OPSET), _text(1, CONTRIB) + _number(2, 1)]
    return _number(1, IR_VERSION) + _bytes(7, graph) + b"".join(_bytes(8, opset) for opset in opsets)


class Session:
    """A model and its weights, ready to run on a CPU; safe to call from several threads."""

    def __init__(self, graph: bytes, weights: Mapping[str, NDArray[Any]], threads: int) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import: else it writes to ~/.cache and calls home
        import onnxruntime

        arrays = [np.ascontiguousarray(array) for array in weights.values()]
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays]  # read in place
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting server stays idle
        options.add_external_initializers(list(weights), self._weights)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Return the outputs, in the order in which the model names them."""
        found: list[NDArray[np.float32]] = self._session.run(None, dict(inputs))
        return found


def _initializer(name: str, array: NDArray[Any]) -> bytes:
    """Declare a tensor whose content is handed over at load time; the location is required and never opened."""
    dims = b"".join(_number(1, size) for size in array.shape)
    location = _bytes(13, _text(1, "location") + _text(2, "given-at-load"))
    return dims + _number(2, KINDS[array.dtype]) + _text(8, name) + location + _number(14, EXTERNAL)


def _value(one: Value) -> bytes:
    shape = b"".join(_bytes(1, _text(2, dim) if isinstance(dim, str) else _number(1, dim)) for dim in one.shape)
    return _text(1, one.name) + _bytes(2, _bytes(1, _number(1, one.kind) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
