"""The OpenAI-compatible way in: any stock client asks, the whole pipeline answers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.api.answers import start, whole_answer
from app.api.description import EVENTS, EventStream, gives
from app.auth import Asking, Parts, still_reading
from app.footnotes import footnotes, left_open, with_footnotes, without_footnotes
from app.problems import openai_error
from app.replies import Completion
from app.schemas import QUESTION_CHARACTERS, ChatBody, holds_words
from app.streams import MayTell, Stream
from core.errors import InvalidInput, NotFound, TooLarge
from core.types import Citation, Filters, GeneratorChoice, Json, Message, Principal, Question

router = APIRouter(prefix="/v1", tags=["openai"])
MODEL = "attest"
CHOICES: tuple[GeneratorChoice, ...] = get_args(GeneratorChoice)
MODELS = (MODEL, *(f"{MODEL}-{choice}" for choice in CHOICES if choice != "auto"))


@router.get("/models")
def models(_principal: Asking) -> Json:
    """List the names a client may choose: `attest`, or `attest-<generator>`."""
    return {"object": "list", "data": [_model(name) for name in MODELS]}


@router.get("/models/{name}")
def model(name: str, _principal: Asking) -> Json:
    """Return one of them."""
    if name not in MODELS:
        raise NotFound(f"there is no model {name}; there are {', '.join(MODELS)}")
    return _model(name)


@router.post("/chat/completions", responses=gives(Completion, content=EVENTS))
def complete(body: ChatBody, principal: Asking, runtime: Parts, request: Request) -> Response:
    """Answer the last user message; citations are footnotes in the text and an Answer under `attest`.

    Earlier user and assistant messages are its conversation. System messages have no effect: what the answer
    may rest on is the documents, not the caller's instructions.
    """
    question = _question(body, principal)
    if body.stream:
        stream = start(request, runtime, question)
        return EventStream(_chunks(stream, still_reading(request), body.model))
    answer = whole_answer(request, runtime, question)
    message = {"role": "assistant", "content": with_footnotes(answer), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer.outcome), "logprobs": None}
    return JSONResponse(
        {**_head(answer.id, body.model, "chat.completion"), "choices": [choice], "attest": answer.to_json()}
    )


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": MODEL}


def _question(body: ChatBody, principal: Principal) -> Question:
    """Return the last user message as a question, the messages before it as its conversation."""
    if body.messages[-1].role != "user":
        raise InvalidInput("the last message must be the user's question")
    if not body.messages[-1].text.strip():
        raise InvalidInput("the last message holds no text: its content must be the question")
    said = [
        Message(m.role, m.text if m.role == "user" else without_footnotes(m.text))
        for m in body.messages
        if m.role in ("user", "assistant") and m.text.strip()
    ]
    if len(said[-1].content) > QUESTION_CHARACTERS:
        raise TooLarge(f"the question is longer than {QUESTION_CHARACTERS} characters")
    try:
        text = holds_words(said[-1].content)
    except ValueError as error:
        raise InvalidInput(f"the question {error}") from error
    wanted = body.model.removeprefix(f"{MODEL}-")
    generator: GeneratorChoice = next((choice for choice in CHOICES if choice == wanted), "auto")
    return Question(
        text=text,
        principal=principal,
        filters=Filters(collection=body.collection),
        generator=generator,
        history=tuple(said[:-1]),
    )


async def _chunks(stream: Stream, may_tell: MayTell, model: str) -> AsyncIterator[str]:
    """Yield the answer claim by claim, then the footnotes, then the whole Answer under `attest`."""
    head = _head(stream.id, model, "chat.completion.chunk")
    yield _chunk(head, {"role": "assistant", "content": ""})
    sent_text = ""
    async for sent in stream.read(may_tell):
        if sent is None:
            yield ": still here\n\n"
        elif sent.name == "claim":
            sent_text += sent.data["added"]
            yield _chunk(head, {"content": sent.data["added"]})
        elif sent.name == "error":
            what = sent.data
            yield _line(
                {"error": openai_error(what["status"], what["type"].removeprefix("urn:attest:"), what["detail"])}
            )
        elif sent.name == "answer":
            rest = _rest(sent.data, sent_text)
            if rest:
                yield _chunk(head, {"content": rest})
            yield _chunk(head, {}, _finish(sent.data["outcome"]), attest=sent.data)
    yield "data: [DONE]\n\n"


def _rest(answer: Json, sent_text: str) -> str:
    """Return what of an answer's text has not been sent yet, footnotes and all."""
    text: str = answer["text"]
    body = text.removeprefix(sent_text) if text.startswith(sent_text) else f"\n\n{text}"
    notes = footnotes([Citation(**{**c, "boxes": (), "also_in": ()}) for c in answer["citations"]])
    return body + left_open(answer["question"], answer["unanswered"]) + notes


def _head(answer_id: str, model: str, kind: str) -> Json:
    return {"id": f"chatcmpl-{answer_id}", "object": kind, "created": int(time.time()), "model": model}


def _chunk(head: Json, delta: Json, finish: str | None = None, **more: object) -> str:
    return _line({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}], **more})


def _line(value: Json) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _finish(outcome: str) -> str:
    return "content_filter" if outcome == "blocked" else "stop"
