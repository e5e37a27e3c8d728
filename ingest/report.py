"""What a run is asked, what it reports while it runs, and what it says at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.errors import AttestError, TransientIngestError
from ingest.terms import Terms


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How one run treats its documents."""

    collection: str = "default"
    allow: tuple[str, ...] | None = None
    """Who may read the documents; `None` leaves it to the collection's list."""
    sync: bool = False
    """Delete documents whose file or object is gone from below the given paths and object stores."""
    dry_run: bool = False
    retry: bool = False
    """Try again what failed before."""
    workers: int | None = None
    effective_from: datetime | None = None
    expires_at: datetime | None = None
    supersedes: str | None = None
    """Source or id of the document that the new one replaces."""
    principal: str = "operator"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    """The id of a run that was recorded before it could begin; a new one without it."""
    scheduler: str | None = None
    """A Dask scheduler's address, or `local`."""
    password: str | None = None
    """Tried on files that need one."""
    busy: Callable[[Path], bool] | None = None
    """Whether somebody is still writing a file: it stays as it stands until a later run."""

    @property
    def terms(self) -> Terms:
        """What is asked for every document."""
        return Terms(self.allow, self.effective_from, self.expires_at, self.supersedes or None)


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A document that comes as text, e.g. a row of a corpus."""

    source: str
    text: str
    title: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    allow: tuple[str, ...] | None = None
    effective_from: datetime | None = None
    expires_at: datetime | None = None
    supersedes: str | None = None

    @property
    def terms(self) -> Terms:
        """What it asks for itself."""
        return Terms(self.allow, self.effective_from, self.expires_at, self.supersedes)


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that did not get in."""

    source: str
    error: str
    kind: str
    message: str

    @classmethod
    def of(cls, source: str, error: AttestError) -> Failure:
        """Describe an error met at a source."""
        kind = "transient" if isinstance(error, TransientIngestError) else "permanent"
        return cls(source, error.kind, kind, str(error))


@dataclass(slots=True)
class IngestReport:
    """The counts of one run."""

    run_id: str
    state: str = "running"
    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    moved: int = 0
    deleted: int = 0
    failed: list[Failure] = field(default_factory=list)
    planned: list[dict[str, str]] = field(default_factory=list)
    """What a dry run would do: source and action."""
    quarantined: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    """What was passed over in folders and archives, and why: hidden files, locks, backups, links."""
    chunks: int = 0
    pages: int = 0
    characters: int = 0
    curation: dict[str, int] = field(default_factory=dict)
    """Sums of what the curation steps changed."""
    flagged: dict[str, int] = field(default_factory=dict)
    """Rail → how often it objected to a document or reported something in it."""
    seconds: float = 0.0
    embed_seconds: float = 0.0
    dry_run: bool = False

    def plan(self, source: str, known: bool) -> None:
        """Count what a dry run would bring in; `known`: whether the collection has, or had, it."""
        self.updated += known
        self.added += not known
        self.planned.append({"source": source, "action": "update" if known else "add"})

    def flag(self, said: Sequence[Mapping[str, Any]]) -> None:
        """Count what rails said of a document."""
        for verdict in said:
            if verdict["action"] != "allow":
                self.flagged[verdict["rail"]] = self.flagged.get(verdict["rail"], 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "failed"}
        failed = [{"source": f.source, "error": f.error, "kind": f.kind, "message": f.message} for f in self.failed]
        return values | {
            "failed": failed,
            "seconds": round(self.seconds, 3),
            "embed_seconds": round(self.embed_seconds, 3),
        }


class Progress(Protocol):
    """Whoever watches a run; called from the run's own thread."""

    def start(self, total: int) -> None:
        """`total` sources were found."""

    def found(self, more: int) -> None:
        """So many more sources were found, inside another; fewer, where some are not tried again."""

    def parsed(self, source: str) -> None:
        """A source was read."""

    def embedded(self, chunks: int) -> None:
        """That many more chunks have vectors."""

    def committed(self, source: str) -> None:
        """A source is in the store, or was there unchanged."""

    def failed(self, source: str, error: str) -> None:
        """A source did not get in."""

    def finish(self) -> None:
        """The run is over."""


class Silent:
    """Watches nothing."""

    def start(self, total: int) -> None:
        """Do nothing."""

    def found(self, more: int) -> None:
        """Do nothing."""

    def parsed(self, source: str) -> None:
        """Do nothing."""

    def embedded(self, chunks: int) -> None:
        """Do nothing."""

    def committed(self, source: str) -> None:
        """Do nothing."""

    def failed(self, source: str, error: str) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
