"""The parts one process answers with, each built the first time it is wanted and closed in reverse order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

from core.db.session import Database
from core.errors import AttestError
from core.settings import Settings
from core.types import AS_SET, GeneratorChoice, Style

if TYPE_CHECKING:
    from generation.answerable import Answerability
    from generation.generators import Generator
    from generation.verify import Verifier
    from guardrails.rails import Rails
    from models.adapters import Classifier
    from models.encoder import Encoder
    from retriever.retriever import Retriever

T = TypeVar("T")
SWITCH_S = 0.0005
"""How long a thread may keep the interpreter while others wait: at Python's 5 ms, a thread that feeds the GPU or reads
the model's stream waits for each of sixteen questions in turn (beside four busy threads a pass took 143 ms, so 87)."""


class Runtime:
    """Settings, store, models, indexes and rails of one home; thread-safe.

    A part that cannot be built raises and is tried again the next time, so that a model server or an index
    that comes back needs no restart.
    """

    def __init__(self, settings: Settings, *, follow: bool = True) -> None:
        self.settings = settings
        self.follow = follow
        self._parts: dict[str, object] = {}
        self._lock = threading.RLock()
        self._closed = False

    @property
    def database(self) -> Database:
        """The SQL store."""
        return self._part("database", lambda: Database.open(self.settings))

    @property
    def encoder(self) -> Encoder:
        """The encoder of texts; once a search is open, that of the generation it follows."""
        if self.has("retriever"):
            return self.retriever.encoder
        return self._part("encoder", self._load_encoder)

    @property
    def retriever(self) -> Retriever:
        """The search over every index."""
        return self._part("retriever", self._open_retriever)

    @property
    def classifier(self) -> Classifier:
        """The adapters that rails and checks share."""
        return self._part("classifier", self._load_classifier)

    @property
    def rails(self) -> Rails:
        """The guardrails."""
        return self._part("rails", self._open_rails)

    @property
    def verifier(self) -> Verifier:
        """The judge of claims."""
        return self._part("verifier", self._make_verifier)

    @property
    def answerability(self) -> Answerability:
        """The judge of whether the evidence holds an answer."""
        return self._part("answerability", self._make_answerability)

    def generator(self, choice: GeneratorChoice = "auto", style: Style = AS_SET) -> Generator:
        """Return the generator of a choice; `auto` follows the settings, and so does what the style leaves open."""
        if style != AS_SET:
            return self._make_generator(choice, style)
        return self._part(f"generator:{choice}", lambda: self._make_generator(choice, style))

    def warm(self) -> None:
        """Build what every question needs, so that the first one does not wait."""
        _ = (self.database, self.retriever, self.rails, self.verifier)
        self.generator()
        self.encoder.warm()
        self.classifier.warm()
        self.answerability.warm()

    def has(self, part: str) -> bool:
        """Say whether a part is there already, without building it."""
        return part in self._parts

    def close(self) -> None:
        """Close the parts, the last built first."""
        with self._lock:
            self._closed = True
            parts = list(self._parts.values())
            self._parts.clear()
        for part in reversed(parts):
            close = getattr(part, "close", None)
            if close is not None:
                close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _part(self, name: str, build: Callable[[], T]) -> T:
        """Return a part, building it once however many threads ask."""
        part = self._parts.get(name)
        if part is None:
            with self._lock:
                if self._closed:
                    raise AttestError("the runtime is closed")
                part = self._parts.get(name)
                if part is None:
                    part = build()
                    self._parts[name] = part
        return cast(T, part)

    def _load_encoder(self) -> Encoder:
        from models.encoder import load_encoder  # imported late: torch takes seconds

        return load_encoder(self.settings.embedder)

    def _open_retriever(self) -> Retriever:
        from retriever.retriever import Retriever

        return Retriever.open(self.database, self.settings, self.encoder, follow=self.follow)

    def _load_classifier(self) -> Classifier:
        from models.adapters import load_classifier

        return load_classifier(self.settings.embedder, self.settings.home)

    def _open_rails(self) -> Rails:
        from guardrails.rails import Rails

        return Rails.open(self.settings, self.classifier)

    def _make_verifier(self) -> Verifier:
        from generation.verify import Verifier

        return Verifier(self.settings, self.classifier)

    def _make_answerability(self) -> Answerability:
        from generation.answerable import Answerability

        return Answerability(self.settings)

    def _make_generator(self, choice: GeneratorChoice, style: Style) -> Generator:
        from generation.generators import make_generator
        from generation.tasks import styled
        from retriever.glossary import Glossary, glossary_of

        glossary = glossary_of(self.settings.home) if self.settings.retrieval.glossary else Glossary({})
        return make_generator(styled(self.settings, style), choice, glossary.meaning)


def answer_many() -> None:
    """Set the interpreter up for a process that answers many questions at once."""
    sys.setswitchinterval(SWITCH_S)


def open_runtime(settings: Settings, *, follow: bool = True) -> Runtime:
    """Return the runtime of a home; `follow` keeps its indexes following the change log in a thread."""
    return Runtime(settings, follow=follow)
