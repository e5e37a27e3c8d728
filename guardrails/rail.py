"""What a rail is: a named object that looks at one text and says how sure it is that the text should not pass.

A rule rail answers by itself. A classifier rail only says what the shared encoder has to score, so
that all of them are scored in one pass. A rail of your own is a class with `name`, `stages` and
`check`, published under the entry point group `attest.rails`. Where several texts cost less together
than one by one, a rail has `check_all` besides, which takes and returns lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from core.types import Evidence, RailStage

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Input: TypeAlias = str | tuple[str, str]
Request: TypeAlias = tuple[str, Input]
"""The name of an adapter and what it is to score."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a rail sees: the stage, the text, and for output the evidence it was drafted from."""

    stage: RailStage
    text: str
    collection: str | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def collections(self) -> tuple[str | None, ...]:
        """Whose policy counts: that of the collection named, else those of all that the evidence comes from."""
        if self.collection is not None or not self.evidence:
            return (self.collection,)
        return tuple(sorted({item.hit.collection for item in self.evidence}))


@dataclass(frozen=True, slots=True)
class Finding:
    """How sure a rail is (0 to 1), why, and the text with the offending parts taken out where it can do that."""

    score: float
    reason: str = ""
    redacted: str | None = None


class Rail(Protocol):
    """One check. `threshold` is the score from which its policy's action is taken, asked for each text."""

    name: str
    stages: frozenset[RailStage]

    @property
    def threshold(self) -> float:
        """From 0 to 1; an attribute will do."""
        ...

    def check(self, context: Context) -> Finding:
        """Look at one text. An exception means that the rail is unavailable."""
        ...


class ManyTextsRail(Rail, Protocol):
    """A rail to which several texts, such as all retrieved passages, cost less together."""

    def check_all(self, contexts: Sequence[Context]) -> Sequence[Finding]:
        """Return what `check` would of each. An exception means that one of them cannot be checked."""
        ...


class ClassifierRail(Protocol):
    """A rail whose score comes from adapters on the shared encoder."""

    name: str
    stages: frozenset[RailStage]

    @property
    def threshold(self) -> float:
        """As of a rule rail."""
        ...

    def requests(self, context: Context) -> Sequence[Request]:
        """Return what has to be scored for this context; may be empty."""
        ...

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """Turn the scores of `requests`, in their order, into a finding."""
        ...


def is_classifier_rail(rail: Rail | ClassifierRail) -> TypeIs[ClassifierRail]:
    """Say which of the two a rail is; asked for every text, where `isinstance` with a protocol costs 70 µs."""
    return hasattr(rail, "requests")


def checks_many(rail: Rail) -> TypeIs[ManyTextsRail]:
    """Say whether a rule rail takes several texts together; `isinstance` would ask for its threshold to find out."""
    return hasattr(rail, "check_all")
