"""Training by folds, and on all rows, each in a process of its own where there are cores for it.

On a GPU one training of so small an adapter leaves most of the device idle; six at once take little longer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tuning.classifier import Base, Options, Trained, load_base, predict, train
from tuning.classifier_report import Scores
from tuning.classifier_rows import Row, folds_by_group

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Scores of the rows that were held out, by position, the adapter trained on all, and those of the folds."""

    scores: Scores
    measured: list[int]
    trained: Trained
    folds: list[Trained]


@dataclass(frozen=True, slots=True)
class _Job:
    """One training: what to train on, what to score with it, and what it is called in the progress."""

    name: str
    base: Path
    options: Options
    rows: list[Row]
    held: list[Row]


def fit(rows: Sequence[Row], base: Path, options: Options, *, folds: int, jobs: int = 1) -> Fitted:
    """Score every row that is not `train_only` by a model that has not seen its group, and train one on all rows.

    With fewer than two folds, a fifth of the groups is held out once.
    """
    homes = folds_by_group(rows, max(folds, 5) if folds < 2 else folds, options.seed)
    parts: list[list[int]] = []
    work: list[_Job] = []
    for fold in range(folds if folds >= 2 else 1):
        out = [i for i, home in enumerate(homes) if home == fold and not rows[i].train_only]
        rest = [rows[i] for i, home in enumerate(homes) if home != fold]
        parts.append(out)
        work.append(_Job(f"fold {fold + 1}/{max(folds, 1)}", base, options, rest, [rows[i] for i in out]))
    work.append(_Job("all rows", base, replace(options, patience=0), list(rows), []))
    scores = np.zeros(len(rows))
    found = list(_done(work, jobs))
    for out, (held, _, _) in zip(parts, found, strict=False):
        scores[out] = held
    measured = sorted(i for part in parts for i in part)
    *of_folds, trained = [
        Trained({n: torch.from_numpy(t) for n, t in tensors.items()}, epochs) for _, tensors, epochs in found
    ]
    return Fitted(scores[measured], measured, trained, of_folds)


def on_device(trained: Trained, base: Base) -> Mapping[str, torch.Tensor]:
    """Return the tensors as they will be served: rounded to float16."""
    return {name: tensor.half().float().to(base.bert.device) for name, tensor in trained.tensors.items()}


def _done(work: Sequence[_Job], jobs: int) -> Iterator[tuple[Scores, Tensors, int]]:
    if jobs <= 1:
        yield from map(_trained, work)
        return
    # A forked child cannot use the parent's CUDA context.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=share_cores, initargs=(jobs,)) as pool:
        yield from pool.map(_trained, work)


def _trained(job: _Job) -> tuple[Scores, Tensors, int]:
    base = _base(job.base, job.options.device)

    def say(line: str) -> None:
        sys.stderr.write(f"{job.name}: {line}\n")

    trained = train(job.rows, base, job.options, held_out=job.held, on_progress=say)
    held = predict(job.held, on_device(trained, base), base, job.options) if job.held else np.zeros(0)
    return held, {name: tensor.numpy() for name, tensor in trained.tensors.items()}, trained.epochs


@cache
def _base(folder: Path, device: str) -> Base:
    return load_base(folder, device)


def share_cores(jobs: int) -> None:
    """Leave each of so many processes its part of the cores."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
