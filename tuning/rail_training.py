"""Train a classifier rail from an organisation's own rows and put it in force as a new version.

A fifth of the rows (by `group` where given) is held out: training stops when it gets no better on them, the
threshold and the report come from them. Training starts from the adapter in force, so that a few hundred
rows add to what it knows instead of replacing it. Rows of `indirect_injection` say where the order stands; its training
runs all epochs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import InvalidInput
from core.settings import Settings, default_home
from models.adapter_files import PACKAGED, adapter_folder
from models.devices import pick_device
from models.members import together
from models.sources import find_weights
from tuning.adapter_versions import current_version, new_version, put_in_force
from tuning.classifier_rows import Row, folds_by_group, read_rows

if TYPE_CHECKING:
    from torch import Tensor

    from tuning.classifier import Base, Options, Trained
    from tuning.classifier_report import Scores

MINIMUM_ROWS = 40
MARKED = "indirect_injection"
"""The rail whose rows say which of a text's sentences are meant."""
LABEL_FIELDS = {
    "toxicity": "toxic",
    "prompt_injection": "attack",
    "harmful_requests": "harmful",
    "indirect_injection": "injected",
}


@dataclass(frozen=True, slots=True)
class RailTraining:
    """What to train, from which file, and how long."""

    name: str
    data: Path
    epochs: int = 8
    seed: int = 7
    from_scratch: bool = False


def train_rail(settings: Settings, order: RailTraining) -> dict[str, Any]:
    """Train, report on the held-out rows beside the adapter in force, and switch to the new version if it is no worse.

    Raises:
        InvalidInput: the rail is not a classifier, or the rows are too few, unreadable or all of one label.
    """
    from tuning.classifier import load_base
    from tuning.classifier_cli import write_adapter
    from tuning.classifier_report import choose_threshold, report

    rows = _labelled(order)
    homes = folds_by_group(rows, 5, order.seed)
    kept = [row for row, home in zip(rows, homes, strict=True) if home]
    held = [row for row, home in zip(rows, homes, strict=True) if not home and not row.train_only]
    before = None if order.from_scratch else adapter_folder(order.name, settings.home or default_home())
    card_before = json.loads((before / "card.json").read_text(encoding="utf-8")) if before else {}
    kind = _kind(order)
    if before and card_before.get("pooling") not in kind.poolings:
        raise InvalidInput(f"the {order.name} adapter in force is of another kind: train a new one (--replace)")
    options = _options(order, card_before, pick_device(settings.embedder.device))
    folder = find_weights(PACKAGED)
    base = load_base(folder, options.device)
    start = _tensors(before) if before else None
    trained = kind.train(kept, base, options, held_out=held, start=start)
    scores = kind.predict(held, {k: t.half().float() for k, t in trained.tensors.items()}, base, options)
    labels, kinds = np.array([row.label for row in held]), [row.kind for row in held]
    threshold = choose_threshold(scores, labels, kinds, metric="f1")
    metrics = {"held_out": report(scores, labels, kinds, threshold)}
    if start and card_before:
        names = [order.name, *card_before.get("mean_with", ())]
        found = [kind.predict(held, _in_force(name, settings), base, options) for name in names]
        mean = np.array([together(list(scores)) for scores in zip(*found, strict=True)])
        was = np.where(found[0] < float(card_before.get("mean_from", 0.0)), found[0], mean)
        metrics["held_out_before"] = report(was, labels, kinds, float(card_before["threshold"]))
    version, out = new_version(settings.home, order.name)
    card = _card(order, options, len(rows), threshold) | kind.card
    card |= {"metrics": metrics, "base_sha256": _base_sha256(folder)}
    write_adapter(out, trained, card)
    was_current = current_version(settings.home, order.name)
    better = no_worse(metrics)
    if better:
        put_in_force(settings.home, order.name, version)
    done = {"rail": order.name, "version": version, "was": was_current, "in_force": better}
    return {**done, "threshold": threshold, "epochs": trained.epochs, **metrics}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How an adapter is trained and asked: with one score a text, or by marking the sentences that give orders."""

    train: Callable[..., Trained]
    predict: Callable[[Sequence[Row], Mapping[str, Tensor], Base, Options], Scores]
    poolings: tuple[str, ...]
    card: dict[str, Any]


def _kind(order: RailTraining) -> _Kind:
    from tuning.classifier import predict, train
    from tuning.order_marks import LABELS, Marks

    if order.name != MARKED:
        return _Kind(train, predict, ("mean", "cls"), {})
    marks = Marks.read(order.data)
    card = {"task": "token classification", "labels": list(LABELS), "pooling": "tokens"}
    return _Kind(marks.train, marks.predict, ("tokens",), card)


def no_worse(metrics: Mapping[str, Any]) -> bool:
    """Whether the new adapter does at least as well on the held-out rows as the one in force does."""
    before = metrics.get("held_out_before")
    return before is None or float(metrics["held_out"]["f1"]) >= float(before["f1"])


def _labelled(order: RailTraining) -> list[Row]:
    if order.name not in LABEL_FIELDS:
        raise InvalidInput(f"{order.name!r} is no classifier rail; these are: {', '.join(sorted(LABEL_FIELDS))}")
    try:
        rows = read_rows(order.data, LABEL_FIELDS[order.name])
    except (OSError, ValueError) as error:
        raise InvalidInput(str(error)) from error
    positive = sum(row.label >= 0.5 for row in rows)
    if len(rows) < MINIMUM_ROWS or not 0.05 <= positive / len(rows) <= 0.95:
        raise InvalidInput(
            f"{order.data} has {len(rows)} rows, {positive} of them positive; needed are {MINIMUM_ROWS} rows and "
            "at least one in twenty of each label"
        )
    return rows


def _options(order: RailTraining, card: Mapping[str, Any], device: str) -> Any:
    from tuning.classifier import Options

    known = card.get("hyper_parameters", {})
    return Options(
        rank=int(known.get("rank", 16)),
        learning_rate=5e-4 if card else 1e-3,
        epochs=order.epochs,
        batch=16,
        max_tokens=int(card.get("max_tokens", 128)),
        max_windows=int(card.get("max_windows", 3)),
        pooling=str(card.get("pooling", "mean")),
        patience=2,
        seed=order.seed,
        device=device,
    )


def _card(order: RailTraining, options: Any, rows: int, threshold: float) -> dict[str, Any]:
    return {
        "name": order.name,
        "task": "binary classification",
        "base": PACKAGED,
        "threshold": threshold,
        "pooling": options.pooling,
        "max_tokens": options.max_tokens,
        "max_windows": options.max_windows,
        "pair": False,
        "training_rows": rows,
        "data": order.data.name,
        "licence": "the organisation's own",
        "hyper_parameters": {key: value for key, value in asdict(options).items() if key != "device"},
        "seed": order.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "trained_on": options.device,
    }


def _tensors(folder: Path) -> Any:
    from safetensors.torch import load_file

    return {name: tensor.float() for name, tensor in load_file(folder / "adapter.safetensors").items()}


def _in_force(name: str, settings: Settings) -> Any:
    folder = adapter_folder(name, settings.home or default_home())
    if folder is None:
        raise InvalidInput(f"the adapter {name}, with which the one in force is scored, is missing")
    return _tensors(folder)


def _base_sha256(folder: Path) -> str:
    from tuning.classifier_cli import sha256_of

    return sha256_of(folder / "model.safetensors")
