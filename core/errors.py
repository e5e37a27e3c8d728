"""Every error Attest raises on purpose.

AttestError(500)
├─ NotFound 404 · Forbidden 403 · Unauthenticated 401 · Conflict 409 · InvalidInput 422 · TooLarge 413 · RateLimited 429
├─ Stopping 503
├─ InvalidSetting 500, an InvalidInput that the request is not to blame for
├─ IngestError 422
│  ├─ Permanent: UnsupportedFormat 415, Unparseable, Encrypted, EmptyDocument, ParseTimeout
│  └─ Transient: SourceUnavailable 503, Busy 503, StoreUnavailable 503 ─ HomeUnwritable, StoreDamaged
├─ RetrievalError: IndexMissing 503, IndexMismatch 503
├─ GenerationError: GeneratorUnavailable 503, GeneratorTimeout 504, ContextTooLong 422
└─ MissingExtra 501
"""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


class AttestError(Exception):
    """An error with a message for the person who caused it and the HTTP status it maps to."""

    status_code = 500
    retry_after_s: int | None = None

    @property
    def kind(self) -> str:
        """The stable name under which the error is reported."""
        return type(self).__name__


class NotFound(AttestError):
    """The thing named does not exist, or the caller may not know that it does."""

    status_code = 404


class Forbidden(AttestError):
    """The caller is known and may not do this."""

    status_code = 403


class Unauthenticated(AttestError):
    """No key, or a key that is wrong or revoked."""

    status_code = 401


class Conflict(AttestError):
    """The state of the store does not allow the operation now."""

    status_code = 409


class InvalidInput(AttestError):
    """The request is malformed; the message says what to change."""

    status_code = 422


class InvalidSetting(InvalidInput):
    """A setting is wrong; the message names it. The request is not to blame."""

    status_code = 500


class TooLarge(AttestError):
    """The input exceeds a limit named in the message."""

    status_code = 413


class RateLimited(AttestError):
    """Too many requests from one principal; says after how many whole seconds the next one passes."""

    status_code = 429

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Stopping(AttestError):
    """The server is told to stop and cannot finish this first."""

    status_code = 503
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("the server is being stopped and could not finish this answer; ask again in a moment")


class IngestError(AttestError):
    """A document could not be ingested."""

    status_code = 422


class PermanentIngestError(IngestError):
    """Trying again without changing the file cannot succeed."""


class UnsupportedFormat(PermanentIngestError):
    """No parser reads this type of content."""

    status_code = 415


class Unparseable(PermanentIngestError):
    """The file is damaged or its parser gave up."""


class Encrypted(PermanentIngestError):
    """The file needs a password that was not given."""


class EmptyDocument(PermanentIngestError):
    """The file holds no text that can be read."""


class ParseTimeout(PermanentIngestError):
    """Parsing ran past its limit of time."""


class TransientIngestError(IngestError):
    """Trying again later may succeed."""

    status_code = 503
    retry_after_s: int | None = 5


class SourceUnavailable(TransientIngestError):
    """The source could not be read just now."""


class Busy(TransientIngestError):
    """Another process holds the store."""


class StoreUnavailable(TransientIngestError):
    """The store cannot be read or written: disk full, input/output error, damage, server gone."""


class HomeUnwritable(StoreUnavailable):
    """This process may not write the home: another's folder, a read-only file system."""


class StoreDamaged(StoreUnavailable):
    """The store's file is no database any more, or its pages contradict each other: a backup brings it back."""

    retry_after_s = None  # waiting mends nothing


class RetrievalError(AttestError):
    """A search could not be done."""


class IndexMissing(RetrievalError):
    """No index is loaded yet."""

    status_code = 503
    retry_after_s = 5


class IndexMismatch(RetrievalError):
    """The index on disk and the configured embedder disagree."""

    status_code = 503


class GenerationError(AttestError):
    """A draft could not be made."""


class GeneratorUnavailable(GenerationError):
    """The model server cannot be reached or refused."""

    status_code = 503
    retry_after_s = 10


class GeneratorTimeout(GenerationError):
    """The model did not answer within its deadline."""

    status_code = 504
    retry_after_s = 10


class ContextTooLong(GenerationError):
    """Question and evidence exceed the model's window."""

    status_code = 422


class MissingExtra(AttestError):
    """An optional package is needed and not installed; `extra` is the extra of ours that brings it, where one does."""

    status_code = 501

    def __init__(self, extra: str | None, package: str) -> None:
        advice = f"Install it with: pip install {package}" if extra is None else _advice(extra)
        super().__init__(f"{package} is not installed. {advice}")
        self.extra = extra
        self.package = package


def _advice(extra: str) -> str:
    """Say how an extra is installed: from the checkout, for the `attest` of the package index is somebody else's."""
    if not (CHECKOUT / "pyproject.toml").is_file():
        return f"Install Attest from its checkout with the extra {extra}"
    python = Path(sys.executable)
    shown = python.relative_to(CHECKOUT) if python.is_relative_to(CHECKOUT) else python
    return f"In Attest's checkout run: {shown} -m pip install -c constraints.txt -e '.[{extra}]'"
