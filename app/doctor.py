"""`attest doctor`: look at every store, say what is wrong and how to mend it, and mend it when asked.

A check returns what it found; `None` is health. A finding with a `repair` is mended by `--repair`, and the check
runs again to say whether that helped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from core.blobs import BlobStore
from core.db.session import Database
from core.errors import AttestError, Busy, Conflict, HomeUnwritable, InvalidInput, MissingExtra, StoreDamaged
from core.settings import Settings
from core.types import Json

log = logging.getLogger(__name__)
SHOWN = 5
REPAIR = "run: attest doctor --repair"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found wrong: one line a problem, how to mend it, and the mending where a program can do it."""

    problems: list[str]
    fix: str
    repair: Callable[[], None] | None = None

    @property
    def detail(self) -> str:
        """The problems in one line, the first few in full."""
        more = len(self.problems) - SHOWN
        return "; ".join(self.problems[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None

    def to_json(self) -> Json:
        """Return the row of `attest doctor --json`."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "fix": self.fix}


@dataclass
class Patient:
    """The home under examination."""

    settings: Settings
    database: Database
    notes: dict[str, str] = field(default_factory=dict)
    """What a healthy check has to say, by name."""

    @cached_property
    def blobs(self) -> BlobStore:
        """The blob store of the home."""
        return BlobStore(self.settings.blobs)


Check = Callable[[Patient], Finding | None]


def examine(settings: Settings, *, repair: bool = False) -> list[CheckResult]:
    """Run every check on a home, mending what can be mended where asked, and return the results in order."""
    from app.doctor_index import INDEX_CHECKS
    from app.doctor_store import STORE_CHECKS

    try:
        database = Database.open(settings)
    except AttestError as error:
        return [CheckResult("store", False, str(error), _way_in(error))]
    try:
        patient = Patient(settings, database)
        checks = {"store": _opened, **STORE_CHECKS, **INDEX_CHECKS}
        return [_run(name, check, patient, repair) for name, check in checks.items()]
    finally:
        database.close()


def _way_in(error: AttestError) -> str:
    """Return what helps where the store does not open; a backup is brought back only over what is damaged."""
    if isinstance(error, HomeUnwritable):
        return "let this user read and write the home and all in it, or name another with ATTEST_HOME"
    if isinstance(error, Busy):
        return "wait until the other process is done, then run it again"
    if isinstance(error, Conflict | InvalidInput | MissingExtra):
        return "do what the message says, then run it again"
    if "full" in str(error) or "No space" in str(error):
        return "make room on the disk, then run it again"
    if isinstance(error, StoreDamaged):
        return "bring the store back with: attest restore DIR --force"
    return "see that its disk or its database server is up and reachable, then run it again"


def _opened(patient: Patient) -> None:
    patient.notes["store"] = patient.database.url.render_as_string(hide_password=True)


def _run(name: str, check: Check, patient: Patient, repair: bool) -> CheckResult:
    try:
        finding = check(patient)
        if finding is not None and repair and finding.repair is not None:
            finding.repair()
            mended, finding = finding, check(patient)
            if finding is None:
                return CheckResult(name, True, f"mended: {mended.detail}")
    except AttestError as error:
        return CheckResult(name, False, str(error), "mend what the other checks name first, then run it again")
    except Exception as error:  # whatever is damaged, the other checks must still be told
        log.exception("the check %s failed", name)
        detail = f"the check could not be made: {type(error).__name__}: {error}".splitlines()[0]
        return CheckResult(name, False, detail, "mend what the other checks name first, then: attest restore DIR")
    if finding is None:
        return CheckResult(name, True, patient.notes.get(name, "in order"))
    return CheckResult(name, False, finding.detail, finding.fix)
