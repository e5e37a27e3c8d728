"""Bodies of requests; what they do not know is refused, so that a misspelt filter never widens a search."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from core.db.grants import LONGEST_NAME
from core.types import Filters, GeneratorChoice, Mode, Principal, PromptName, Question, Style

QUESTION_CHARACTERS = 4000
"""Longer than any question; a pasted document belongs in the knowledge base."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
MOST_INTEGER = 2**31 - 1
"""What every database can hold; a larger number names no version, no row and no change."""


def printable(text: str) -> str:
    """Return a text without control characters, which nobody types and PostgreSQL does not keep."""
    return _CONTROL.sub(" ", text).strip()


def require_unicode(text: str) -> str:
    """Return a text that has bytes: JSON and command lines may hold halves of characters, which no store takes.

    Raises:
        ValueError: it holds such a half.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must hold whole characters, no half of a surrogate pair")
    return text


def holds_words(text: str) -> str:
    """Return a text that can be looked up, without control characters.

    Raises:
        ValueError: there is no letter and no digit in it, or half a character.
    """
    require_unicode(text)
    if not any(character.isalnum() for character in text):
        raise ValueError("must hold a word")
    return printable(text)


def require_line(text: str) -> str:
    """Return a name as it is: with a control character in it, it names nothing that a store could hold.

    Raises:
        ValueError: there is one in it.
    """
    if _CONTROL.search(text):
        raise ValueError("must hold no control character")
    return text


def whole_number(text: str) -> int | None:
    """Return the number that a few decimal digits stand for, `None` for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_INTEGER)) else None


Line = Annotated[str, AfterValidator(require_line)]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(require_line)]
"""Of a principal or a key, as long as its column."""
Text = Annotated[str, Field(min_length=1, max_length=QUESTION_CHARACTERS), AfterValidator(holds_words)]


class Body(BaseModel):
    """A JSON body that refuses unknown fields and blank text."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class FilterBody(Body):
    """What narrows a search."""

    document_ids: list[Line] | None = Field(default=None, max_length=1000)
    source_prefix: Line | None = None
    media_type: Line | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    as_of: datetime | None = Field(default=None, description="Answer from what was in force at this moment")
    metadata: dict[Line, Line] = Field(default_factory=dict)

    @field_validator("updated_after", "updated_before", "as_of")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("give a time zone, e.g. 2026-01-31T00:00:00Z")
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("must lie within the years 1 to 9999 in UTC") from error

    def filters(self, collection: str | None) -> Filters:
        """Return the filters within a collection."""
        ids = None if self.document_ids is None else tuple(self.document_ids)
        return Filters(collection=collection, **(self.model_dump(exclude={"document_ids"})), document_ids=ids)


class StyleBody(Body):
    """How the draft is asked for, where it differs from the settings."""

    prompt: PromptName | None = None
    task: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$", description="A tuned task, or `none`")
    shots: int | None = Field(default=None, ge=0, le=8, description="Worked examples in the prompt")


class AskBody(Body):
    """A question."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"question": "How much annual leave may I carry over?", "collection": "default"}]
        }
    )
    question: Text
    conversation_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$")
    collection: Line | None = None
    k: int | None = Field(default=None, ge=1, le=100)
    generator: GeneratorChoice = "auto"
    style: StyleBody = StyleBody()
    min_seq: int | None = Field(default=None, ge=0, description="Wait until the index has seen this change")
    filters: FilterBody = FilterBody()

    def to_question(self, principal: Principal) -> Question:
        """Return the question as this principal asks it."""
        return Question(
            text=self.question,
            principal=principal,
            filters=self.filters.filters(self.collection),
            k=self.k,
            generator=self.generator,
            style=Style(**self.style.model_dump()),
            min_seq=self.min_seq,
            conversation_id=self.conversation_id,
        )


class SearchBody(Body):
    """A search for passages."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "annual leave carry over", "k": 5}]})
    query: Text
    k: int = Field(default=10, ge=1, le=100)
    mode: Mode | None = None
    rerank: bool | None = None
    collection: Line | None = None
    min_seq: int | None = Field(default=None, ge=0)
    filters: FilterBody = FilterBody()


class ExplainBody(Body):
    """A question, and the document that was expected."""

    question: Text
    document_id: Line = Field(description="Its id, or its source")
    k: int | None = Field(default=None, ge=1, le=100, description="Of the search asked about")
    mode: Mode | None = Field(default=None, description="Of the search asked about")
    collection: Line | None = None
    filters: FilterBody = FilterBody()


class FeedbackBody(Body):
    """What a reader thought of an answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"answer_id": "…", "rating": "down", "comment": "Old policy"}]}
    )
    answer_id: Line
    rating: Literal["up", "down", 1, -1]
    comment: Annotated[str, AfterValidator(printable)] = Field(default="", max_length=4000)

    @property
    def value(self) -> int:
        """1 for up, -1 for down."""
        return 1 if self.rating in ("up", 1) else -1


class SummarizeBody(Body):
    """What to summarise: one document, or a collection."""

    document_id: Line | None = None
    collection: Line | None = None
    generator: GeneratorChoice = "auto"
    sentences: int = Field(default=8, ge=1, le=40)


class AccessBody(Body):
    """Who may read; `null` stands for the collection's list."""

    allow: list[Name] | None


class KeyBody(Body):
    """Whom a new key acts for."""

    principal: Name | None = None
    name: Name = ""
    operator: bool = False


class ChatMessage(BaseModel):
    """A message as OpenAI's clients send it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, object]] | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> ChatMessage:
        for part in self.content if self.role == "user" and isinstance(self.content, list) else ():
            if part.get("type") != "text":  # left out, the question would be another
                raise ValueError(f"only text is read, not a part of type {part.get('type')!a}")
            if not isinstance(part.get("text"), str):
                raise ValueError("a part of type text must hold its text as a string")
        require_unicode(self.text)
        return self

    @property
    def text(self) -> str:
        """The words of the message; parts that are not text are left out."""
        if isinstance(self.content, list):
            texts = (part.get("text") for part in self.content if part.get("type") == "text")
            return "\n".join(text for text in texts if isinstance(text, str))
        return self.content or ""


class ResponseFormat(BaseModel):
    """The form a client wants an answer in."""

    type: str = "text"


class ChatBody(BaseModel):
    """A chat completion request; sampling options that clients send along are accepted and have no effect.

    What a client could not do without is refused instead: several choices, JSON, a call of a tool.
    """

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"model": "attest", "messages": [{"role": "user", "content": "Who approves travel?"}]}]
        },
    )
    model: str = "attest"
    messages: list[ChatMessage] = Field(min_length=1, max_length=200)
    stream: bool = False
    collection: Line | None = None
    n: int | None = None
    response_format: ResponseFormat | None = None
    tool_choice: str | dict[str, object] | None = None

    @model_validator(mode="after")
    def _can_be_done(self) -> ChatBody:
        if self.n not in (None, 1):
            raise ValueError("n must be 1: a question has one answer")
        if self.response_format is not None and self.response_format.type != "text":
            raise ValueError(f"answers are text: response_format {self.response_format.type} is not possible")
        if self.tool_choice not in (None, "auto", "none"):
            raise ValueError("tools are never called: tool_choice must be auto or none")
        return self
