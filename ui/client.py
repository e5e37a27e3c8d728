"""The REST client of the pages: typed results, one error type, nothing but the configured API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal

import httpx

from core.types import AS_SET, Answer, Citation, GeneratorChoice, Mode, Style
from ui.api_error import ApiError, detail_of, refusal, unreachable
from ui.sse import ServerEvent, parse_events
from ui.wire import (
    ConversationRow,
    DocumentRow,
    HeldRow,
    Me,
    RailRow,
    RunRow,
    SearchResult,
    TurnRow,
    answer_from,
    hit_from,
    read,
    rows,
    run_from,
    turn_from,
)

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
ANSWER_TIMEOUT = httpx.Timeout(180.0, connect=5.0)
"""Silence allowed while an answer is made: a model server may queue for a while."""
QUICK_TIMEOUT = httpx.Timeout(5.0)
"""For what every run of the pages asks first: it takes milliseconds, and nothing else is drawn until it has come."""
_HEADER_VALUE = re.compile(r"[!-~]+")
"""What a key can be made of; a header cannot even carry most other characters."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask: the question and what narrows or steers it."""

    question: str
    conversation_id: str | None = None
    collection: str | None = None
    generator: GeneratorChoice = "auto"
    k: int | None = None
    style: Style = AS_SET

    def to_json(self) -> dict[str, Any]:
        """Return the request body, without what is not set."""
        style = {name: value for name, value in asdict(self.style).items() if value is not None}
        body = {
            "question": self.question,
            "conversation_id": self.conversation_id,
            "collection": self.collection,
            "generator": self.generator,
            "k": self.k,
            "style": style or None,
        }
        return {name: value for name, value in body.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for, and how."""

    query: str
    k: int = 10
    mode: Mode = "hybrid"
    rerank: bool = False
    collection: str | None = None


class Client:
    """One connection to the API with one key; every method raises `ApiError`."""

    def __init__(self, base_url: str, key: str | None = None, *, transport: httpx.BaseTransport | None = None) -> None:
        self._key = key
        # trust_env=False: a proxy of the environment must not see questions meant for a local API.
        self._http = httpx.Client(
            base_url=base_url, auth=self._signed, timeout=TIMEOUT, transport=transport, trust_env=False
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connection."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the API answers questions now."""
        try:
            return self._http.get("/readyz", timeout=3.0).status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, ask: Ask) -> Answer:
        """Ask a question and wait for the whole answer."""
        return answer_from(self._json("POST", "/v1/ask", json=ask.to_json(), timeout=ANSWER_TIMEOUT))

    def ask_stream(self, ask: Ask) -> Iterator[ServerEvent]:
        """Ask a question and yield its events as they come; an `error` event is raised."""
        return self._events("POST", "/v1/ask/stream", json=ask.to_json())

    def resume_stream(self, stream_id: str) -> Iterator[ServerEvent]:
        """Yield the events of an answer in the making, or just made, from its first."""
        return self._events("GET", f"/v1/ask/stream/{stream_id}")

    def stop_stream(self, stream_id: str) -> None:
        """Stop an answer in the making."""
        self._send("DELETE", f"/v1/ask/stream/{stream_id}", timeout=QUICK_TIMEOUT)

    def _events(self, method: str, path: str, **options: Any) -> Iterator[ServerEvent]:
        try:
            with self._http.stream(method, path, timeout=ANSWER_TIMEOUT, **options) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                for event in parse_events(response.iter_lines()):
                    if event.name == "error":
                        raise ApiError(detail_of(event.data), status=int(event.data.get("status") or 500))
                    yield event
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        except ValueError as error:
            raise ApiError("The API sent an event that is not JSON.") from error

    def search(self, request: SearchRequest) -> SearchResult:
        """Search for passages, with what each index gave them."""
        body = {
            "query": request.query,
            "k": request.k,
            "mode": request.mode,
            "rerank": request.rerank,
            "collection": request.collection,
        }
        data = self._json("POST", "/v1/search", json={k: v for k, v in body.items() if v is not None})
        return SearchResult(tuple(hit_from(row) for row in rows(data, "hits")), data.get("timings_ms") or {})

    def explain(self, request: SearchRequest, document_id: str) -> dict[str, Any]:
        """Say where a document was lost in a search: `stage`, `detail`, `ranks`."""
        body = {"question": request.query, "document_id": document_id, "k": request.k, "mode": request.mode}
        collection = {"collection": request.collection} if request.collection else {}
        return self._json("POST", "/v1/explain", json=body | collection)

    def me(self) -> Me:
        """Say whom the key acts for."""
        return read(Me, self._json("GET", "/v1/me", timeout=QUICK_TIMEOUT))

    def collections(self) -> tuple[str, ...]:
        """List the collections the caller sees."""
        return tuple(self._json("GET", "/v1/collections", timeout=QUICK_TIMEOUT).get("collections") or ())

    def documents(self, collection: str | None = None) -> tuple[DocumentRow, ...]:
        """List the documents the caller may see."""
        data = self._json("GET", "/v1/documents", params={"collection": collection} if collection else None)
        return tuple(read(DocumentRow, row) for row in rows(data, "documents"))

    def document(self, document_id: str) -> dict[str, Any]:
        """Return what is known of a document."""
        return self._json("GET", f"/v1/documents/{document_id}")

    def quarantine(self) -> tuple[HeldRow, ...]:
        """List the documents that wait for a review."""
        return tuple(read(HeldRow, row) for row in rows(self._json("GET", "/v1/quarantine"), "documents"))

    def review(self, document_id: str, verdict: Literal["release", "reject"]) -> None:
        """Let a held document in, or throw it out for good."""
        self._send("POST", f"/v1/quarantine/{document_id}/{verdict}", timeout=ANSWER_TIMEOUT)

    def settings(self) -> dict[str, Any]:
        """Return the settings in force, without secrets."""
        return self._json("GET", "/v1/settings")

    def rails(self) -> tuple[RailRow, ...]:
        """Return the guardrails' policy."""
        return tuple(read(RailRow, row) for row in rows(self._json("GET", "/v1/rails"), "rails"))

    def document_text(self, document_id: str, version: int | None = None) -> str:
        """Return the cleaned text of a document, by default its newest version."""
        params = {"version": version} if version is not None else None
        return self._send("GET", f"/v1/documents/{document_id}/text", params=params).text

    def page_image(self, citation: Citation) -> bytes | None:
        """Return the cited page as PNG, the quote highlighted; None where the document's pages are no pictures."""
        params: dict[str, int | str] = {"version": citation.version}
        params["highlight"] = f"{citation.start}-{citation.end}"
        return self.page(citation.document_id, citation.page or 1, **params)

    def page(self, document_id: str, number: int, **params: int | str) -> bytes | None:
        """Return a page as PNG; None where the document's pages are no pictures."""
        try:
            return self._send("GET", f"/v1/documents/{document_id}/pages/{number}.png", params=params).content
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def file(self, document_id: str, version: int) -> bytes:
        """Return the original file of a version."""
        return self._send("GET", f"/v1/documents/{document_id}/file", params={"version": version}).content

    def delete_document(self, document_id: str) -> None:
        """Delete a document; it stops being answered from at once."""
        self._send("DELETE", f"/v1/documents/{document_id}")

    def upload(self, name: str, content: bytes, *, collection: str | None = None) -> str:
        """Send a file to be ingested and return the id of its run."""
        data = self._json(
            "POST",
            "/v1/documents",
            files={"file": (name, content)},
            data={"collection": collection} if collection else None,
            timeout=ANSWER_TIMEOUT,
        )
        return str(data["run_id"])

    def run(self, run_id: str) -> RunRow:
        """Return the state of an ingest run."""
        return run_from(self._json("GET", f"/v1/runs/{run_id}"))

    def runs(self, limit: int = 20) -> tuple[RunRow, ...]:
        """List the latest ingest runs, newest first."""
        return tuple(run_from(row) for row in rows(self._json("GET", "/v1/runs", params={"limit": limit}), "runs"))

    def feedback(self, answer_id: str, *, helpful: bool, comment: str = "") -> None:
        """Record whether an answer helped."""
        body = {"answer_id": answer_id, "rating": "up" if helpful else "down", "comment": comment}
        self._send("POST", "/v1/feedback", json=body)

    def conversations(self, *, search: str | None = None, limit: int = 50) -> tuple[ConversationRow, ...]:
        """List the caller's conversations, newest first; `search` looks in what was said."""
        params = {"limit": str(limit)} | ({"q": search} if search else {})
        data = self._json("GET", "/v1/conversations", params=params, timeout=QUICK_TIMEOUT)
        return tuple(read(ConversationRow, row) for row in rows(data, "conversations"))

    def conversation(self, conversation_id: str) -> tuple[TurnRow, ...]:
        """Return the turns of a conversation, oldest first."""
        data = self._json("GET", f"/v1/conversations/{conversation_id}")
        return tuple(turn_from(row) for row in rows(data, "turns"))

    def export_conversation(self, conversation_id: str) -> str:
        """Return a conversation as Markdown."""
        params = {"format": "markdown"}
        return self._send("GET", f"/v1/conversations/{conversation_id}/export", params=params).text

    def delete_conversation(self, conversation_id: str) -> None:
        """Forget a conversation."""
        self._send("DELETE", f"/v1/conversations/{conversation_id}")

    def _signed(self, request: httpx.Request) -> httpx.Request:
        """Return the request with the key; one that no header can carry is refused as the API refuses a wrong one."""
        if self._key:
            if not _HEADER_VALUE.fullmatch(self._key):
                raise ApiError("The API key is not valid", status=HTTPStatus.UNAUTHORIZED)
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            value = self._send(method, path, **options).json()
        except ValueError as error:
            raise ApiError(f"The API answered {path} with something that is not JSON.") from error
        return value if isinstance(value, dict) else {"items": value}

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        if response.is_error:
            raise refusal(response)
        return response
