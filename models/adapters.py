"""Classifiers as small adapters on the packaged encoder: load once, score many texts with several adapters in one pass.

An adapter is a folder with `adapter.safetensors` (low-rank A and B of each linear map, and a head) and
`card.json` (data, licence, metrics, threshold, how to cut texts). Ours lie in `models/weights/`; one
trained by `attest tune rail` lies under the home, in `adapters/NAME/vN/`, and wins while
`adapters/NAME/current` names it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import NotFound
from core.settings import EmbedderSettings, default_home
from models.adapter_files import WEIGHTS, Adapter, adapter_folder, read_adapter, read_base
from models.batching import Batcher
from models.devices import pick_device
from models.members import together
from models.score_memory import ScoreMemory, key_of
from models.token_scores import TokenScorer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from models.lora import AdaptedBert
    from models.passes import Passes
    from models.slots import SlotScorer
    from models.tagging import TaggedSpan

Input: TypeAlias = str | tuple[str, str]
Spans: TypeAlias = Sequence[tuple[int, int]]
SERVED_WINDOWS = 32
"""Windows of a long text that are scored at most; training sees fewer, but an attack may hide anywhere."""
_MIXED_ROWS = 12
"""Up to here rows of different adapters share a batch; above, each adapter has its own and no padding between."""
_BATCH_ROWS = {"cuda": 256}
"""Rows of one pass by device, 32 elsewhere: more gains nothing on a CPU."""


@dataclass(frozen=True, slots=True)
class Window:
    """One piece of one request that fits the encoder."""

    request: int
    adapter: str
    first: list[int] | None
    ids: list[int]

    @property
    def tokens(self) -> int:
        """How long it is."""
        return len(self.first or ()) + len(self.ids)


class Classifier:
    """Scores texts with named adapters; one per process, safe to call from several threads."""

    def __init__(self, device: str, home: Path | None = None) -> None:
        self._device = device
        self._home = home
        self._adapters: dict[Path, Adapter] = {}
        self._cards: dict[Path, Mapping[str, Any]] = {}
        self._base: tuple[AdaptedBert, Tokenizer] | None = None
        self._slots: SlotScorer | None = None
        self._passes: Passes | None = None
        self._memory = ScoreMemory()
        self._scoring: Batcher[tuple[str, Input], float] = Batcher(self._scored, "classifier")
        self._tokens = TokenScorer(self._adapter, self._loaded_base, self._batch_rows, lambda: self._on_gpu)
        self._loading = threading.RLock()

    @property
    def _batch_rows(self) -> int:
        return _BATCH_ROWS.get(self._device.partition(":")[0], 32)

    def has(self, adapter: str) -> bool:
        """Whether weights of this name are on this machine."""
        return self._folder(adapter) is not None

    def card(self, adapter: str) -> Mapping[str, Any]:
        """Return the model card of an adapter.

        Raises:
            NotFound: there is no adapter of this name.
        """
        folder = self._found(adapter)
        if folder not in self._cards:  # a folder's card is never rewritten: a newer adapter has a folder of its own
            self._cards[folder] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return self._cards[folder]

    def threshold(self, adapter: str) -> float:
        """Return the score from which an adapter's label is positive; 0.5 where the adapter is missing."""
        return float(self.card(adapter)["threshold"]) if self.has(adapter) else 0.5

    def score(self, adapter: str, inputs: Sequence[str] | Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return the probability of the positive label for each text or pair, shape (n,)."""
        return self.score_many([(adapter, one) for one in inputs])

    def score_many(self, requests: Sequence[tuple[str, Input]]) -> NDArray[np.float32]:
        """Return the probability of the positive label for each (adapter, text or pair), shape (n,).

        A text too long for the encoder is cut into overlapping windows, and the highest counts. Where an adapter's card
        names others (`mean_with`) and its own score is not below `mean_from`, the mean of all log-odds does: most
        questions are nowhere near a threshold and cost one row. What was scored lately is not scored again.

        Raises:
            NotFound: an adapter is not on this machine.
            Conflict: an adapter is damaged or was trained on other base weights.
        """
        scores = self._scored_each(requests)
        others = {i: self._others(name) for i, (name, _) in enumerate(requests) if scores[i] >= self._mean_from(name)}
        more = iter(self._scored_each([(other, requests[i][1]) for i, names in others.items() for other in names]))
        for i, names in others.items():
            scores[i] = together([scores[i], *islice(more, len(names))])
        return np.array(scores, dtype=np.float32)

    def _others(self, name: str) -> Sequence[str]:
        """Return the adapters with which one is scored."""
        return tuple(self.card(name).get("mean_with", ()))

    def _mean_from(self, name: str) -> float:
        return float(self.card(name).get("mean_from", 0.0))

    def _scored_each(self, requests: Sequence[tuple[str, Input]]) -> list[float]:
        folders = {name: self._found(name) for name in {name for name, _ in requests}}
        keys = [key_of(folders[name], text) for name, text in requests]
        known = [self._memory.get(key) for key in keys]
        fresh = {keys[i]: requests[i] for i, score in enumerate(known) if score is None}
        found = dict(zip(fresh, self._scoring(list(fresh.values())), strict=True))
        for key, score in found.items():
            self._memory.put(key, score)
        return [found[key] if score is None else score for key, score in zip(keys, known, strict=True)]

    def _scored(self, requests: Sequence[tuple[str, Input]]) -> list[float]:
        scores = np.zeros(len(requests), dtype=np.float32)
        adapters = {name: self._adapter(name) for name in {name for name, _ in requests}}
        windows = self._windows(requests, adapters)
        if self._on_gpu:
            np.maximum.at(scores, [window.request for window in windows], self._launched(windows, adapters))
        for batch in () if self._on_gpu else _batches(windows, self._batch_rows):
            found = self._forward(batch, adapters)
            np.maximum.at(scores, [window.request for window in batch], found)
        return [float(score) for score in scores]

    def warm(self) -> None:
        """On a GPU, record the passes of every adapter that ships, so that no question waits for one."""
        names = [path.parent.name for path in sorted(WEIGHTS.glob("*/adapter.safetensors"))]
        adapters = [self._adapter(name) for name in names if self._on_gpu and self._scores(name)]
        if adapters:
            self._scorer().warm(adapters)
        for name in names:
            if self.card(name).get("pooling") == "tokens":
                self._tokens.warm(name)

    @property
    def _on_gpu(self) -> bool:
        return self._device.startswith("cuda")

    def _scores(self, name: str) -> bool:
        """Whether an adapter gives one score a text."""
        return self.card(name).get("pooling") in ("mean", "cls")

    def _scorer(self) -> SlotScorer:
        from models.slots import SlotScorer

        if self._slots is None:
            self._slots = SlotScorer(self._loaded_base()[0])
        return self._slots

    def _launched(self, windows: Sequence[Window], adapters: Mapping[str, Adapter]) -> list[float]:
        """Score windows of any adapters together, one launch a batch."""
        from models.launcher import framed
        from models.passes import special_tokens

        special = special_tokens(self._loaded_base()[1])
        rows = [framed(one.first, one.ids, cls=special["cls"], sep=special["sep"]) for one in windows]
        return self._scorer()([(adapters[one.adapter], row) for one, row in zip(windows, rows, strict=True)])

    def tag(self, adapter: str, texts: Sequence[str]) -> list[list[TaggedSpan]]:
        """Return the labelled spans of each text, in order.

        Raises:
            NotFound: the adapter is not on this machine.
            Conflict: it is damaged or was trained on other base weights.
        """
        from models.tagging import spans_of

        card, found = self._adapter(adapter).card, []
        for text, (offsets, rows) in zip(texts, self._tokens(adapter, texts), strict=True):
            found.append(spans_of(text, offsets, rows, card["labels"], float(card["threshold"])))
        return found

    def score_spans(self, adapter: str, texts: Sequence[tuple[str, Spans]]) -> list[list[float]]:
        """Return for each span of each text how likely ten tokens in a row of it are labelled; spans in order.

        The texts share passes, and each token is judged with its neighbours in sight, whatever the spans. What was
        scored lately is not scored again. An adapter with one score a text scores each span alone.

        Raises:
            NotFound: the adapter is not on this machine.
            Conflict: it is damaged or was trained on other base weights.
        """
        if self._scores(adapter):
            alone = iter(self.score(adapter, [text[start:end] for text, spans in texts for start, end in spans]))
            return [[float(next(alone)) for _ in spans] for _, spans in texts]
        folder = self._found(adapter)
        keys = [[key_of(folder, (f"{start}:{end}", text)) for start, end in spans] for text, spans in texts]
        known = [[self._memory.get(key) for key in own] for own in keys]
        fresh = [position for position, scores in enumerate(known) if None in scores]
        found = dict(zip(fresh, self._peaks(adapter, [texts[i] for i in fresh]), strict=True))
        for position, scores in found.items():
            for key, score in zip(keys[position], scores, strict=True):
                self._memory.put(key, score)
        return [found.get(i) or [score for score in own if score is not None] for i, own in enumerate(known)]

    def _peaks(self, adapter: str, texts: Sequence[tuple[str, Spans]]) -> list[list[float]]:
        from models.tagging import peaks_within

        told = self._tokens(adapter, [text for text, _ in texts])
        return [
            peaks_within(spans, offsets, [1.0 - row[0] for row in rows])
            for (_, spans), (offsets, rows) in zip(texts, told, strict=True)
        ]

    def _forward(self, windows: Sequence[Window], adapters: Mapping[str, Adapter]) -> NDArray[np.float32]:
        from models.passes import Passes

        if self._passes is None:
            self._passes = Passes(*self._loaded_base())
        return self._passes(windows, adapters)

    def _windows(self, requests: Sequence[tuple[str, Input]], adapters: Mapping[str, Adapter]) -> list[Window]:
        from models.lora import windows

        _, tokenizer = self._loaded_base()
        texts = sorted({text for _, one in requests for text in ((one,) if isinstance(one, str) else one)})
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        ids = {text: encoding.ids for text, encoding in zip(texts, encoded, strict=True)}
        found = []
        for position, (name, one) in enumerate(requests):
            room = int(adapters[name].card["max_tokens"])
            first = None if isinstance(one, str) else ids[one[0]][: room // 2]
            second = ids[one if isinstance(one, str) else one[1]]
            for window in windows(first, second, max_tokens=room, limit=SERVED_WINDOWS):
                found.append(Window(position, name, first, window))
        return found

    def _found(self, adapter: str) -> Path:
        folder = self._folder(adapter)
        if folder is None:
            raise NotFound(f"no adapter {adapter!r}: not in the package, and none trained in this home")
        return folder

    def _folder(self, adapter: str) -> Path | None:
        return adapter_folder(adapter, self._home or default_home())

    def _adapter(self, name: str) -> Adapter:
        folder = self._found(name)
        with self._loading:
            if folder not in self._adapters:
                self._adapters[folder] = read_adapter(folder, name, self._device)
            return self._adapters[folder]

    def _loaded_base(self) -> tuple[AdaptedBert, Tokenizer]:
        with self._loading:
            if self._base is None:
                self._base = read_base(self._device)
            return self._base


_classifiers: dict[tuple[str, Path], Classifier] = {}
_opening = threading.Lock()


def load_classifier(settings: EmbedderSettings, home: Path | None = None) -> Classifier:
    """Return this process's classifier; nothing is read before the first score."""
    key = (pick_device(settings.device), (home or default_home()).resolve())
    with _opening:
        if key not in _classifiers:
            _classifiers[key] = Classifier(*key)
        return _classifiers[key]


def _batches(windows: list[Window], rows: int) -> Iterable[list[Window]]:
    """Group windows of about equal length; a large set is grouped by adapter first."""
    if len(windows) > _MIXED_ROWS:
        windows = sorted(windows, key=lambda window: (window.adapter, window.tokens))
    start = 0
    while start < len(windows):
        end = start + 1
        mixed = len(windows) <= _MIXED_ROWS
        while end < len(windows) and end - start < rows and (mixed or windows[end].adapter == windows[start].adapter):
            end += 1
        yield windows[start:end]
        start = end
