"""Files in, committed chunks out: walk → parse → clean → deduplicate → chunk → embed → commit."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from core.db.session import Database
from core.errors import SourceUnavailable
from core.settings import Settings
from ingest.addresses import without_secrets
from ingest.pipeline import Pipeline
from ingest.quality import Scan
from ingest.remote import Listed, Missed, bring, is_remote, is_web
from ingest.report import Failure, IngestOptions, IngestReport, Progress, Silent, TextRecord
from ingest.runs import RunRecord
from ingest.texts import Records
from ingest.walk import LeftOut, Source, walk

if TYPE_CHECKING:
    from models.encoder import Encoder

EncoderSource: TypeAlias = "Encoder | Callable[[], Encoder]"

__all__ = ["IngestOptions", "IngestReport", "Progress", "TextRecord", "ingest", "ingest_texts"]


def ingest(
    sources: Sequence[Path | str | Source],
    options: IngestOptions,
    *,
    database: Database,
    settings: Settings,
    encoder: EncoderSource,
    progress: Progress | None = None,
    scan: Scan | None = None,
    left: Sequence[Failure] = (),
) -> IngestReport:
    """Bring files and folders into a collection and report what became of each; a `Source` is a file under a name.

    `left` failed before and cannot be tried again: it is listed again.

    `encoder` may be a function that loads it: nothing is loaded where nothing changed. Interrupted, the run is
    recorded as such, what it committed stays, and the next run goes on from there.

    Raises:
        NotFound: a path does not exist.
        IndexMismatch: the store was built with another embedder or chunker.
    """
    began = time.perf_counter()
    folder = tempfile.TemporaryDirectory(prefix="attest-remote-")
    passed_over: list[LeftOut] = []
    files = list(walk([source for source in sources if not is_remote(source)], passed_over.append, settings.home))
    brought, origins = _brought([str(source) for source in sources if is_remote(source)], folder.name, settings)
    files += [one for one in brought if isinstance(one, Source)]
    passed_over += [one for one in brought if isinstance(one, LeftOut)]
    listed = [one for one in brought if isinstance(one, Listed)]
    missed = [one for one in brought if isinstance(one, Missed)]
    missed += [Missed(_folder(one), SourceUnavailable(one.reason)) for one in passed_over if one.shut]
    run = RunRecord.start(database, settings, options)
    run.report.left_out = [{"source": one.source, "reason": one.reason} for one in passed_over if not one.shut]
    provider, progress = _provider(encoder), progress or Silent()
    run.report.failed += left
    run.report.warnings += [_kept(str(source)) for source in sources if options.sync and is_web(source)]
    pipeline = Pipeline(run.report, options, database, settings, provider, progress, scan, origins)
    try:
        pipeline.run(files, _roots(sources), missed, listed)
        run.report.state = "done"
    except KeyboardInterrupt:
        run.report.state = "interrupted"
    except BaseException:
        run.report.state = "failed"
        raise
    finally:
        pipeline.close()
        folder.cleanup()
        run.report.seconds = time.perf_counter() - began
        run.finish()
    return run.report


def ingest_texts(
    records: Iterable[TextRecord | Failure],
    options: IngestOptions,
    *,
    database: Database,
    settings: Settings,
    encoder: EncoderSource,
    progress: Progress | None = None,
    scan: Scan | None = None,
) -> IngestReport:
    """Bring documents that come as text into a collection, e.g. the rows of a corpus.

    A failure among the records stands for one that could not be read; it is listed.

    Raises:
        Conflict: one would supersede what supersedes it.
        NotFound: the document to supersede is not there.
        IndexMismatch: the store was built with another embedder or chunker.
    """
    began = time.perf_counter()
    run = RunRecord.start(database, settings, options)
    try:
        Records(run.report, options, database, settings, _provider(encoder), progress or Silent(), scan).run(records)
        run.report.state = "done"
    except KeyboardInterrupt:
        run.report.state = "interrupted"
    except BaseException:
        run.report.state = "failed"
        raise
    finally:
        run.report.seconds = time.perf_counter() - began
        run.finish()
    return run.report


def _brought(
    urls: Sequence[str], folder: str, settings: Settings
) -> tuple[list[Source | Missed | LeftOut | Listed], dict[str, str]]:
    """Return what addresses name, brought into a folder for each, and by source the address that led to it."""
    brought: list[Source | Missed | LeftOut | Listed] = []
    origins: dict[str, str] = {}
    for number, url in enumerate(urls):
        own = Path(folder) / str(number)
        own.mkdir()
        for one in bring([url], own, settings.ingest, settings.home):
            brought.append(one)
            if isinstance(one, Source):
                origins[one.source] = without_secrets(url)
            elif isinstance(one, Missed):
                origins[one.source.source] = without_secrets(url)
    return brought, origins


def _roots(sources: Sequence[Path | str | Source]) -> list[Path]:
    """Return the folders that were named."""
    paths = [Path(source).expanduser() for source in sources if not isinstance(source, Source)]
    return [path.resolve() for path in paths if path.is_dir()]


def _folder(shut: LeftOut) -> Source:
    """Return a folder that could not be opened as a source that failed."""
    return Source(shut.source, Path(shut.source), Path(shut.source).name)


def _kept(url: str) -> dict[str, str]:
    """Return the warning that --sync does not reach an address."""
    message = "pages that are gone there stay here: --sync follows folders and object stores"
    return {"source": without_secrets(url), "message": message}


def _provider(encoder: EncoderSource) -> Callable[[], Encoder]:
    """Return a function that gives the encoder, loading it the first time."""
    if callable(encoder):
        return encoder
    loaded = encoder
    return lambda: loaded
