"""What an adapter with a label for each token says of texts: windows of a text overlap, each tells about its middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from models.batching import Batcher

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from models.adapter_files import Adapter
    from models.lora import AdaptedBert

Piece: TypeAlias = tuple[str, list[int]]
"""An adapter's name, and token ids that fit the encoder."""
Told: TypeAlias = tuple[list[tuple[int, int]], list[list[float]]]
"""Of one text: where each token stands, and the probabilities of its labels, shape (tokens, labels)."""


class TokenScorer:
    """Labels tokens with named adapters; safe to call from several threads."""

    def __init__(
        self, adapter: Callable[[str], Adapter], base: Callable[[], tuple[AdaptedBert, Tokenizer]], batch_rows: int
    ) -> None:
        self._adapter = adapter
        self._base = base
        self._batch_rows = batch_rows
        self._merged: dict[str, tuple[Adapter, AdaptedBert]] = {}
        self._labelling: Batcher[Piece, list[list[float]]] = Batcher(self._labelled, "tagger")

    def __call__(self, name: str, text: str) -> Told:
        """Return what the adapter says of every token of a text, however long."""
        _, tokenizer = self._base()
        encoding = tokenizer.encode(text, add_special_tokens=False)
        room, ids = int(self._adapter(name).card["max_tokens"]) - 2, encoding.ids
        if len(ids) <= room:  # nothing to overlap with
            return encoding.offsets, self._labelling([(name, ids)])[0] if ids else []
        edge = room // 8
        starts = range(0, len(ids), room - 2 * edge)
        pieces = [(name, ids[max(0, start - edge) : start + room - edge]) for start in starts]
        probabilities: list[list[float]] = []
        for start, rows in zip(starts, self._labelling(pieces), strict=True):
            skip = start - max(0, start - edge)
            probabilities += rows[skip : skip + room - 2 * edge]
        return encoding.offsets, probabilities

    def _labelled(self, pieces: Sequence[Piece]) -> list[list[list[float]]]:
        """Return the probabilities of every label for each token of each piece."""
        import torch

        from models.lora import batch_of

        _, tokenizer = self._base()
        special = {name: int(tokenizer.token_to_id(f"[{name.upper()}]") or 0) for name in ("cls", "sep", "pad")}
        found: list[list[list[float]]] = [[] for _ in pieces]
        order = sorted(range(len(pieces)), key=lambda i: (pieces[i][0], len(pieces[i][1])))
        for start in range(0, len(order), self._batch_rows):
            chosen = order[start : start + self._batch_rows]
            for name in sorted({pieces[i][0] for i in chosen}):
                adapter, own = self._adapter(name), [i for i in chosen if pieces[i][0] == name]
                bert = self._encoder(adapter)
                batch = batch_of([(None, pieces[i][1]) for i in own], **special).to(bert.device)
                with torch.inference_mode():
                    states = bert.hidden(batch, {})
                    logits = torch.nn.functional.linear(states, adapter.head_weight, adapter.head_bias)
                    rows = logits.softmax(-1).cpu()
                for row, i in zip(rows, own, strict=True):
                    found[i] = row[1 : 1 + len(pieces[i][1])].tolist()
        return found

    def _encoder(self, adapter: Adapter) -> AdaptedBert:
        """Return the encoder with an adapter added into its weights; only ever asked by the one thread that labels."""
        from models.lora import merged

        known = self._merged.get(adapter.name)
        if known is None or known[0] is not adapter:  # another version was put in force
            known = self._merged[adapter.name] = (adapter, merged(self._base()[0], adapter.lora))
        return known[1]
