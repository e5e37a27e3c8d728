"""`attest tune search`: the operator's questions put to many settings of search, and the best of them written down.

A trial is one set of settings: how documents are cut, how many candidates are taken, how the two scores are weighed,
how many passages are returned. It is judged by three figures: how near the top the evidence stands, how long a search
takes and how much text it returns. The study lies in SQL, so an interrupted search goes on where it was.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import log2
from pathlib import Path
from typing import Any

from core.db.session import Database
from core.errors import Conflict, InvalidInput, MissingExtra
from core.home import make_home
from core.settings import Settings
from core.settings_file import Chosen
from core.types import OPERATOR, Filters, Json, Question, ScoredChunk
from evals import metrics
from evals.answers import Material
from evals.cases import Case, limited, read_cases, read_corpus
from evals.embedding_cache import CachedEncoder
from evals.frontier import Trial, report
from evals.home import isolated
from evals.judging import Judge, Place, hits_place
from evals.material import name_of_files, name_of_material, name_of_store
from evals.progress import tracked
from evals.store import COLLECTION, Store, fill_from_corpus, fill_from_folders, stored
from generation.rewrite import rewrite
from models.encoder import Encoder, load_encoder
from retriever.retriever import Retriever

CHUNK_TOKENS = (96, 128, 160, 200, 240)
OVERLAP_SHARES = (0.0, 0.16, 0.3)
CANDIDATES = (30, 60, 100, 200)
PASSAGES = (4, 6, 8, 10, 12)
RERANK_DEPTHS = (0, 10, 20, 30, 50)
CHARACTERS_PER_TOKEN = 4
NAME = re.compile(r"\w[\w.-]*")
"""A study's name, which also names its report."""
OF_RETRIEVAL = {
    *("dense_weight", "candidates", "k", "per_document", "rerank", "rerank_depth"),
    *("backend", "index", "follow_interval_s"),
}
"""Settings that a trial changes, or that change no result: trials under other values of the rest do not compare."""
OF_INGEST = {"chunk_tokens", "chunk_overlap_tokens", "workers"}


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to search over and how long."""

    questions: Path
    material: Material | None = None
    """Documents to ask; without any, the operator's own store as it is cut now."""
    trials: int = 40
    limit: int | None = None
    study: str = "search"
    storage: str | None = None
    """SQLAlchemy URL of the study; a file in the home unless given."""
    seed: int = 0


def search_settings(options: SearchOptions, settings: Settings) -> Json:
    """Run the trials that are still to do and return the frontier, the settings in force and the winner.

    Raises:
        Conflict: the study of that name was made of other questions, documents or settings.
        HomeUnwritable: this process may not write the home.
        InvalidInput: no question names where its answer stands, its documents are not those searched, or the study's
            name is none of a file.
        MissingExtra: optuna is not installed.
    """
    optuna = _optuna()
    if not NAME.fullmatch(options.study):
        raise InvalidInput(f"a study is named by letters, digits, dots and dashes, not {options.study!r}")
    cases = [
        case for case in limited(read_cases(options.questions), options.limit) if case.answerable and case.evidence
    ]
    if not cases:
        raise InvalidInput(f"no answerable question of {options.questions} names its evidence")
    make_home(settings.home)
    folder = settings.trials
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=options.study,
        storage=options.storage or f"sqlite:///{folder / 'studies.db'}",
        directions=["maximize", "minimize", "minimize"],
        sampler=optuna.samplers.TPESampler(seed=options.seed, multivariate=True),
        load_if_exists=True,
    )
    bench = Bench(cases, settings, options.material, folder)
    _require_same(study, name_of_files(_read_besides(options, settings), options.limit, bench.material_name))
    judge = bench.place(options.questions)
    in_force = bench.in_force()
    done = sum(trial.state.is_finished() for trial in study.trials)
    to_do = max(options.trials, done)
    # Not only in a new study: the winner of an earlier run may be in force now, or its first trial was broken off.
    if not any(trial.settings == bench.chosen(in_force) for trial in _results(study)):
        study.enqueue_trial(in_force)
        to_do = max(to_do, done + 1)
    for _ in tracked(range(done, to_do), "trial"):
        trial = study.ask()
        result = bench.measure(trial.number, bench.suggest(trial))
        trial.set_user_attr("result", asdict(result))
        study.tell(trial, [result.quality, result.p50_ms, result.tokens])
    judge.warn()
    return report(_results(study), len(cases), bench.chosen(in_force)) | {
        "in_force_exactly": bench.holds(bench.chosen(in_force)),
        "unplaced_evidence": judge.unplaced,
        "changed_evidence": judge.changed,
    }


def _read_besides(options: SearchOptions, settings: Settings) -> list[Path]:
    """Return the files, beside the documents, that decide what a trial finds."""
    glossary = settings.home / "glossary.txt"
    return [options.questions.resolve(), *([glossary] if glossary.is_file() else [])]


def _require_same(study: Any, made_of: str) -> None:
    """Refuse to mix trials on other questions, documents or settings; a study without results is new."""
    if _results(study) and study.user_attrs.get("made_of") != made_of:
        raise Conflict(
            f"the study {study.study_name!r} was made of other questions, another limit, other documents or other "
            "settings than those it tries: give another --study"
        )
    study.set_user_attr("made_of", made_of)


class Bench:
    """Measures settings on the cases; a store is filled once for each way of cutting documents."""

    def __init__(self, cases: Sequence[Case], settings: Settings, material: Material | None, folder: Path) -> None:
        self._cases, self._settings, self._material, self._folder = cases, settings, material, folder
        self._encoder: Encoder = load_encoder(settings.embedder)
        self._places: dict[Path, list[list[Place]]] = {}
        self.material_name = self._named()

    def _named(self) -> str:
        """Return what stands for the documents, and for the settings that all trials share."""
        shared: list[object] = [self._encoder.name, self._encoder.revision]
        shared.append(self._settings.retrieval.model_dump(mode="json", exclude=OF_RETRIEVAL))
        if self._material is not None:
            shared.append(self._settings.ingest.model_dump(mode="json", exclude=OF_INGEST))
            return name_of_material(self._material, *shared)
        database = Database.open(self._settings)
        try:
            return name_of_store(database, *shared)
        finally:
            database.close()

    def place(self, questions: Path) -> Judge:
        """Look for the evidence in the documents as they are cut now, and return who looked.

        Raises:
            InvalidInput: none of it is there, so that every trial would be as bad as the next.
        """
        with self._store(with_settings(self._settings, self.chosen(self.in_force()))) as (settings, store):
            judge = Judge(store)
            self._places[settings.home] = [judge.places(case) for case in self._cases]
        if not any(self._places[settings.home]):
            searched = "your store" if self._material is None else "the documents given"
            raise InvalidInput(
                f"none of the documents that {questions} names as evidence is in {searched}: search those that its "
                "questions were made for (attest ingest, or --docs), and name each by its path or the end of it"
            )
        return judge

    def in_force(self) -> dict[str, Any]:
        """Return the settings in force as the parameters of a trial, the nearest choice for each."""
        chosen, cut = self._settings.retrieval, self._settings.ingest
        values = {
            "dense_weight": chosen.dense_weight,
            "candidates": _nearest(CANDIDATES, chosen.candidates),
            "k": _nearest(PASSAGES, chosen.k),
            "per_document": chosen.per_document,
        }
        if chosen.reranker is not None:
            values["rerank_depth"] = _nearest(RERANK_DEPTHS, chosen.rerank_depth if chosen.rerank else 0)
        if self._material is not None:
            values["chunk_tokens"] = _nearest(CHUNK_TOKENS, cut.chunk_tokens)
            values["overlap"] = _nearest(OVERLAP_SHARES, cut.chunk_overlap_tokens / cut.chunk_tokens)
        return values

    def holds(self, chosen: Chosen) -> bool:
        """Say whether settings are those in force, not only the nearest that are tried."""
        return with_settings(self._settings, chosen) == self._settings

    def suggest(self, trial: Any) -> Chosen:
        """Let the study choose settings."""
        values: dict[str, Any] = {
            "dense_weight": trial.suggest_float("dense_weight", 0.2, 0.9, step=0.05),
            "candidates": trial.suggest_categorical("candidates", CANDIDATES),
            "k": trial.suggest_categorical("k", PASSAGES),
            "per_document": trial.suggest_int("per_document", 2, 8),
        }
        if self._settings.retrieval.reranker is not None:
            values["rerank_depth"] = trial.suggest_categorical("rerank_depth", RERANK_DEPTHS)
        if self._material is not None:
            values["chunk_tokens"] = trial.suggest_categorical("chunk_tokens", CHUNK_TOKENS)
            values["overlap"] = trial.suggest_categorical("overlap", OVERLAP_SHARES)
        return self.chosen(values)

    def chosen(self, values: Mapping[str, Any]) -> Chosen:
        """Return the settings that the parameters of a trial stand for."""
        retrieval = {name: values[name] for name in ("candidates", "k", "per_document")}
        retrieval["dense_weight"] = round(values["dense_weight"], 2)
        if (depth := values.get("rerank_depth")) is not None:
            retrieval |= {"rerank": depth > 0} | ({"rerank_depth": depth} if depth else {})
        if self._material is None:
            return {"retrieval": retrieval}
        tokens = values["chunk_tokens"]
        return {
            "ingest": {"chunk_tokens": tokens, "chunk_overlap_tokens": round(tokens * values["overlap"])},
            "retrieval": retrieval,
        }

    def measure(self, number: int, chosen: Chosen) -> Trial:
        """Search every question with settings and return the figures."""
        with self._store(with_settings(self._settings, chosen)) as (settings, store):
            retriever = Retriever.open(store.database, settings, self._encoder, follow=False)
            try:
                places = self._placed(settings.home, store)
                found = [self._find(retriever, case) for case in self._cases]
            finally:
                retriever.close()
        ranks = [_rank(hits, wanted) for (hits, _), wanted in zip(found, places, strict=True)]
        return Trial(
            number=number,
            settings=chosen,
            quality=sum(1 / log2(1 + rank) for rank in ranks if rank) / len(ranks),
            p50_ms=metrics.percentile([ms for _, ms in found], 50) or 0.0,
            tokens=sum(len(hit.chunk.text) for hits, _ in found for hit in hits) / CHARACTERS_PER_TOKEN / len(found),
            hit=sum(rank is not None for rank in ranks) / len(ranks),
        )

    def _find(self, retriever: Retriever, case: Case) -> tuple[tuple[ScoredChunk, ...], float]:
        query = rewrite(Question(case.question, OPERATOR, history=case.history))
        filters = Filters() if self._material is None else Filters(collection=COLLECTION)
        started = time.perf_counter()
        hits = retriever.retrieve(query, OPERATOR, filters=filters).hits
        return hits, (time.perf_counter() - started) * 1000

    def _placed(self, home: Path, store: Store) -> list[list[Place]]:
        if home not in self._places:
            judge = Judge(store)
            self._places[home] = [judge.places(case) for case in self._cases]
        return self._places[home]

    @contextmanager
    def _store(self, settings: Settings) -> Iterator[tuple[Settings, Store]]:
        """Yield the store that holds the documents cut as the settings say, filling it the first time."""
        if self._material is not None:
            cut = settings.ingest
            home = self._folder / f"cut-{cut.chunk_tokens}-{cut.chunk_overlap_tokens}-{self.material_name}"
            home.mkdir(exist_ok=True)
            settings = isolated(settings, home)
        database = Database.open(settings)
        try:
            filled = settings.home / "filled"
            if self._material is not None and not filled.is_file():
                self._fill(self._material, database, settings)
                filled.touch()
            yield settings, stored(database)
        finally:
            database.close()

    def _fill(self, material: Material, database: Database, settings: Settings) -> None:
        encoder: Any = CachedEncoder(self._encoder, self._folder)
        if material.corpus is not None:
            fill_from_corpus(read_corpus(material.corpus), database=database, settings=settings, encoder=encoder)
        else:
            fill_from_folders(material.folders, Path(), database=database, settings=settings, encoder=encoder)


def with_settings(settings: Settings, chosen: Chosen) -> Settings:
    """Return settings with some of them changed and checked."""
    changed = {
        section: getattr(settings, section).model_validate(getattr(settings, section).model_dump() | dict(values))
        for section, values in chosen.items()
    }
    return settings.model_copy(update=changed)


def _rank(hits: Sequence[ScoredChunk], places: Sequence[Place]) -> int | None:
    return next((at for at, hit in enumerate(hits, 1) if any(hits_place(hit, place) for place in places)), None)


def _nearest(choices: Sequence[Any], value: float) -> Any:
    return min(choices, key=lambda choice: abs(choice - value))


def _results(study: Any) -> list[Trial]:
    """Return the trials that were measured; one that was broken off has no result."""
    return [Trial(**trial.user_attrs["result"]) for trial in study.trials if "result" in trial.user_attrs]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("tuning", "optuna") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The settings in force may lie beyond what is tried, and are tried all the same.
    warnings.filterwarnings("ignore", message="Fixed parameter", category=UserWarning)
    return optuna
