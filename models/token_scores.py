"""What an adapter with a label for each token says of texts: windows of a text overlap, each tells about its middle.

On a CPU the windows share a pass without padding; on a GPU each adapter has recorded passes of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from models.batching import Batcher

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from models.adapter_files import Adapter
    from models.launcher import Launcher, Row
    from models.lora import AdaptedBert, Batch
    from models.packed import PackedEncoders

Piece: TypeAlias = tuple[str, list[int]]
"""An adapter's name, and token ids that fit the encoder."""
Told: TypeAlias = tuple[list[tuple[int, int]], list[list[float]]]
"""Of one text: where each token stands, and the probabilities of its labels, shape (tokens, labels)."""


class _Cut(NamedTuple):
    """Tokens `start` to `end` of a text are read together; the `kept` of them are told about."""

    start: int
    end: int
    kept: slice


class TokenScorer:
    """Labels tokens with named adapters; safe to call from several threads."""

    def __init__(
        self,
        adapter: Callable[[str], Adapter],
        base: Callable[[], tuple[AdaptedBert, Tokenizer]],
        batch_rows: int,
        on_gpu: Callable[[], bool],
    ) -> None:
        self._adapter = adapter
        self._base = base
        self._batch_rows = batch_rows
        self._on_gpu = on_gpu
        self._packed: PackedEncoders | None = None
        self._launchers: dict[str, tuple[Adapter, Launcher]] = {}
        self._making = threading.Lock()
        self._labelling: Batcher[Piece, list[list[float]]] = Batcher(self._labelled, "tagger")

    def __call__(self, name: str, texts: Sequence[str]) -> list[Told]:
        """Return what the adapter says of every token of each text, however long; the texts share passes."""
        _, tokenizer = self._base()
        encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        room = int(self._adapter(name).card["max_tokens"]) - 2
        cuts = [_cuts(len(encoding.ids), room) for encoding in encodings]
        pieces = [
            (name, encoding.ids[cut.start : cut.end])
            for encoding, own in zip(encodings, cuts, strict=True)
            for cut in own
        ]
        labelled = iter(self._labelling(pieces))
        return [
            (encoding.offsets, [row for cut in own for row in next(labelled)[cut.kept]])
            for encoding, own in zip(encodings, cuts, strict=True)
        ]

    def warm(self, name: str) -> None:
        """On a GPU, record every shape of an adapter's passes."""
        if self._on_gpu():
            self._launcher(self._adapter(name)).warm()

    def _labelled(self, pieces: Sequence[Piece]) -> list[list[list[float]]]:
        """Return the probabilities of every label for each token of each piece."""
        import torch

        found: list[list[list[float]]] = [[] for _ in pieces]
        order = sorted(range(len(pieces)), key=lambda i: (pieces[i][0], len(pieces[i][1])))
        for start in range(0, len(order), self._batch_rows):
            chosen = order[start : start + self._batch_rows]
            for name in sorted({pieces[i][0] for i in chosen}):
                own = [i for i in chosen if pieces[i][0] == name]
                with torch.inference_mode():
                    told = self._probabilities(self._adapter(name), [pieces[i][1] for i in own])
                for i, rows in zip(own, told, strict=True):
                    found[i] = rows.tolist()
        return found

    def _probabilities(self, adapter: Adapter, pieces: Sequence[list[int]]) -> list[Tensor]:
        """Return the probabilities of each piece's tokens, shape (tokens, labels); one pass for all."""
        from models.launcher import framed
        from models.passes import special_tokens

        special = special_tokens(self._base()[1])
        rows = [framed(None, ids, cls=special["cls"], sep=special["sep"]) for ids in pieces]
        found = self._launched(adapter, rows) if self._on_gpu() else self._passed(adapter, rows)
        return [one[1 : len(row.ids) - 1] for one, row in zip(found, rows, strict=True)]

    def _passed(self, adapter: Adapter, rows: Sequence[Row]) -> Sequence[Tensor]:
        import torch

        from models.packed import PackedEncoders

        if self._packed is None:
            self._packed = PackedEncoders(self._base()[0])
        states = torch.cat(self._packed.of(adapter).hidden(rows))
        logits = torch.nn.functional.linear(states, adapter.head_weight, adapter.head_bias)
        return torch.split(logits.softmax(-1), [len(row.ids) for row in rows])

    def _launched(self, adapter: Adapter, rows: Sequence[Row]) -> Sequence[Tensor]:
        import torch

        labels = len(adapter.head_weight)
        return [torch.from_numpy(found).view(-1, labels) for found in self._launcher(adapter)(rows)]

    def _launcher(self, adapter: Adapter) -> Launcher:
        """Return the passes of an adapter, made anew where another version of it was put in force."""
        from models.launcher import Launcher

        with self._making:
            known = self._launchers.get(adapter.name)
            if known is None or known[0] is not adapter:
                bert, _ = self._base()
                known = self._launchers[adapter.name] = (adapter, Launcher(_told_by(bert, adapter), bert.device))
            return known[1]


def _told_by(bert: AdaptedBert, adapter: Adapter) -> Callable[[Batch, Tensor], Tensor]:
    """Return a pass that gives the probabilities of a row's labels, those of one token behind those of another."""
    from torch.nn import functional

    from models.lora import merged
    from models.slots import as_dtype, served_dtype

    own = as_dtype(merged(bert, adapter.lora), served_dtype(bert.device))

    def told(batch: Batch, _labels: Tensor) -> Tensor:
        states = own.hidden(batch, {}).float()
        return functional.linear(states, adapter.head_weight, adapter.head_bias).softmax(-1).flatten(1)

    return told


def _cuts(tokens: int, room: int) -> list[_Cut]:
    """Cut a text into windows that overlap by a quarter, each telling about all but its edges."""
    if tokens <= room:  # nothing to overlap with
        return [_Cut(0, tokens, slice(None))] if tokens else []
    edge = room // 8
    step = room - 2 * edge
    cuts = []
    for start in range(0, tokens, step):
        begin = max(0, start - edge)
        cuts.append(_Cut(begin, start + room - edge, slice(start - begin, start - begin + step)))
    return cuts
