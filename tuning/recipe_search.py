"""Search for a recipe with Optuna (Akiba et al. 2019): virtual tokens, encoder, rate, batch, epochs.

A trial is one training run; after every round its loss on dev is shown to a median pruner, which stops a trial that
does worse than the median of those before it at the same round. Trials are kept in a journal beside their runs: the
same command goes on with them, and several processes may work on one folder.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.errors import MissingExtra
from tuning.ptune import train
from tuning.ptune_rows import Recipe

ROUNDS = 3
"""Judgements an epoch: the more, the earlier a poor trial is stopped."""
UNPRUNED = 3
"""Trials that run to the end before any is pruned."""


def search(data: Path, model: Path, out: Path, start: Recipe, trials: int) -> dict[str, Any]:
    """Run trials and return the best recipe, each trial's cost, and what pruning saved."""
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingExtra("tuning", "optuna") from error

    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=start.method,
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(out / "trials.journal"))),
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=start.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
    )
    if not study.trials:
        study.enqueue_trial(_as_parameters(start))

    def objective(trial: Any) -> float:
        recipe = suggest(trial, start)
        trial.set_user_attr("recipe", asdict(recipe))
        began = time.monotonic()

        def watch(history: list[dict[str, float]]) -> None:
            trial.set_user_attr("seconds", round(time.monotonic() - began, 2))
            trial.set_user_attr("rounds", len(history))
            trial.report(history[-1]["dev_loss"], len(history))
            if trial.should_prune():
                raise optuna.TrialPruned

        history = train(data, model, out / f"trial-{trial.number}", recipe, watch)
        return min(entry["dev_loss"] for entry in history)

    done = sum(trial.state.is_finished() for trial in study.trials)
    study.optimize(objective, n_trials=max(0, trials - done))
    report = costs([_plain(trial) for trial in study.trials if trial.state.is_finished()])
    (out / "search.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def suggest(trial: Any, start: Recipe) -> Recipe:
    """Return the recipe of a trial, around the starting values."""
    recipe = replace(
        start,
        learning_rate=trial.suggest_float("learning_rate", start.learning_rate / 5, start.learning_rate * 5, log=True),
        batch=trial.suggest_categorical("batch", [start.batch, start.batch * 2]),
        epochs=trial.suggest_int("epochs", max(1, start.epochs // 2), start.epochs * 2),
        rounds=ROUNDS,
        patience=2 * ROUNDS,
    )
    if start.method == "lora":
        return replace(recipe, rank=trial.suggest_categorical("rank", [4, 8, 16]))
    recipe = replace(recipe, tokens=trial.suggest_categorical("tokens", sorted({10, 20, 50, 100, start.tokens})))
    if start.method == "ptune":
        sizes = sorted({start.hidden // 4, start.hidden // 2, start.hidden})
        recipe = replace(recipe, hidden=trial.suggest_categorical("hidden", sizes))
    return recipe


def _as_parameters(start: Recipe) -> dict[str, Any]:
    names = [
        "learning_rate",
        "batch",
        "epochs",
        *{"lora": ["rank"], "ptune": ["tokens", "hidden"]}.get(start.method, ["tokens"]),
    ]
    return {name: getattr(start, name) for name in names}


def _plain(trial: Any) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "dev_loss": min(trial.intermediate_values.values(), default=math.inf),
        "seconds": trial.user_attrs.get("seconds", 0.0),
        "rounds": trial.user_attrs.get("rounds", 0),
        "recipe": trial.user_attrs.get("recipe", {}),
    }


def costs(trials: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the best trial, the cost of each, and the speed-up: what all rounds would have cost over what was spent.

    A pruned trial's missing rounds are counted at the price of its own, up to the rounds its recipe allowed; early
    stopping might have ended some of them sooner, so the speed-up is an upper bound.
    """
    spent = sum(trial["seconds"] for trial in trials)
    whole = 0.0
    for trial in trials:
        missing = 0.0
        if trial["state"] == "pruned" and trial["rounds"]:
            allowed = trial["recipe"]["epochs"] * trial["recipe"]["rounds"]
            missing = trial["seconds"] / trial["rounds"] * (allowed - trial["rounds"])
        whole += trial["seconds"] + missing
    finished = [trial for trial in trials if trial["state"] == "complete"]
    best = min(finished, key=lambda trial: trial["dev_loss"], default=None)
    return {
        "best": best,
        "trials": list(trials),
        "pruned": sum(trial["state"] == "pruned" for trial in trials),
        "seconds": round(spent, 2),
        "seconds_without_pruning": round(whole, 2),
        "speed_up": round(whole / spent, 3) if spent else None,
    }
