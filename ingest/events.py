"""What the parsers and the embedding stage report to the loop of a run."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TypeAlias

from core.errors import AttestError, IngestError, SourceUnavailable, TooLarge
from ingest.prepared import Prepared
from ingest.sandbox import ParseResult
from ingest.walk import Source


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file was read, or says why not."""

    source: Source
    result: ParseResult | AttestError


@dataclass(frozen=True, slots=True)
class Broken:
    """The run cannot go on."""

    error: BaseException


Event: TypeAlias = Parsed | Prepared | int | Broken


def outcome(source: Source, future: Future[ParseResult]) -> Event:
    """Return what a finished parse means for the run."""
    try:
        return Parsed(source, future.result())
    except (IngestError, TooLarge) as error:
        return Parsed(source, error)
    except CancelledError:
        return Parsed(source, SourceUnavailable("ingestion was stopped"))
    except BaseException as error:  # noqa: BLE001  thread edge: whatever it is, the run that waits is told
        return Broken(error)
