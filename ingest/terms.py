"""On what terms a document comes in: who may read it, when it is in force, what it replaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from core.db.models import IngestFailure
from core.errors import Conflict, NotFound

if TYPE_CHECKING:
    from ingest.containers import Containers
    from ingest.known import Known
    from ingest.report import IngestOptions
    from ingest.walk import Source

AT_ODDS = frozenset({Conflict.__name__, NotFound.__name__})
"""Failures for which the file is not to blame, but what it was to supersede."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for a document; `None` says nothing, and what is so already stays."""

    allow: tuple[str, ...] | None = None
    """Who may read it; an empty list shuts out all but the operator."""
    effective_from: datetime | None = None
    expires_at: datetime | None = None
    supersedes: str | None = None
    """Source or id of the document it replaces."""

    def over(self, other: Terms) -> Terms:
        """Return these terms, filled up with others where they say nothing."""
        return Terms(
            self.allow if self.allow is not None else other.allow,
            self.effective_from or other.effective_from,
            self.expires_at or other.expires_at,
            self.supersedes or other.supersedes,
        )


def remembered(failure: IngestFailure, retry: bool) -> Terms:
    """Return what was asked for a source that failed.

    What it failed for, to supersede something, is asked again by a retry only: to name the source anew without that
    is the way out.
    """
    allow = tuple(failure.allow) if failure.allow is not None else None
    supersedes = failure.supersedes if retry or failure.error not in AT_ODDS else None
    return Terms(allow, failure.effective_from, failure.expires_at, supersedes)


class Asked:
    """The terms for each source of a run: what the run says, what those said in which it failed, its container's."""

    def __init__(
        self, options: IngestOptions, known: Known, containers: Containers, origins: Mapping[str, str] | None = None
    ) -> None:
        """`origins`: source → the address that led to it."""
        self._options, self._known, self._containers = options, known, containers
        self._origins = origins or {}
        folders = (name for name in known.failed if name.startswith("/") and name.endswith("/"))
        self._shut = sorted(folders, key=len, reverse=True)

    def of(self, source: Source) -> Terms:
        """Return what was asked for a source."""
        asked = self._options.terms
        for name in self._leading_to(source.source):
            failure = self._known.failed.get(name)
            if failure is not None:
                asked = asked.over(remembered(failure, self._options.retry))
        holder = self._containers.holder(source)
        return asked if holder is None else asked.over(holder.terms)

    def settled(self, source: Source) -> Terms:
        """Return the terms a source comes in on: what is new in a container is for the container's readers."""
        asked, known = self.of(source), self._known.get(source.source)
        if asked.allow is not None or source.parent is None or (known is not None and known.state != "deleted"):
            return asked
        container = self._known.get(source.parent)
        if container is None or container.state == "deleted" or container.allow is None:
            return asked
        return replace(asked, allow=tuple(sorted(container.allow)))

    def _leading_to(self, source: str) -> Iterator[str]:
        """Yield the names under which a source may have failed: its own, its address's, a folder's that was shut."""
        yield source
        if source in self._origins:
            yield self._origins[source]
        yield from (folder for folder in self._shut if source.startswith(folder))
