"""Conversations belong to the principal who began them; nobody else sees them, not even that they exist."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core.clock import now
from core.db.access import readable
from core.db.models import Conversation, Document, Turn
from core.db.session import Database
from core.errors import InvalidInput, NotFound
from core.types import Answer, Json, Message, Principal, Question
from generation.greetings import greeting_language, without_greetings

REMEMBERED_TURNS = 6
"""Turns that a follow-up is read against: further back, questions seldom refer and prompts only grow."""
TITLE_CHARACTERS = 80
WITHHELD: Json = {
    "text": "A document behind this answer can no longer be shown to you.",
    "claims": [],
    "citations": [],
    "nearest": [],
    "reason": "withheld",
}
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def recall(database: Database, question: Question) -> Question:
    """Return the question with the conversation before it, greetings left out.

    Raises:
        NotFound: the conversation belongs to somebody else.
        InvalidInput: the conversation's id is not one.
    """
    if question.conversation_id is None:
        return replace(question, history=without_greetings(question.history)) if question.history else question
    if not _ID.fullmatch(question.conversation_id):
        raise InvalidInput("conversation_id must be 1 to 40 letters, digits, - or _")
    with database.read() as session:
        conversation = session.get(Conversation, question.conversation_id)
        if conversation is None:
            return question
        _require_owner(conversation, question.principal)
        turns = session.scalars(
            select(Turn)
            .where(Turn.conversation_id == conversation.id)
            .order_by(Turn.ordinal.desc())
            .limit(REMEMBERED_TURNS)
        ).all()
        turns = [turn for turn in turns if greeting_language(turn.question) is None]
        if not turns:
            return question
        history = messages_of(session, question.principal, turns[::-1])
        last = visible_answers(session, question.principal, [turns[0].answer])[0]
    cited = tuple(c["chunk_id"] for c in last["citations"] if c.get("chunk_id") is not None)
    return replace(question, history=history, cited_chunks=cited)


def messages_of(session: Session, principal: Principal, turns: Sequence[Turn]) -> tuple[Message, ...]:
    """Return turns, oldest first, as the messages the principal may still read."""
    answers = visible_answers(session, principal, [turn.answer for turn in turns])
    return tuple(
        message
        for turn, answer in zip(turns, answers, strict=True)
        for message in (Message("user", turn.question), Message("assistant", answer["text"]))
    )


def append_turn(session: Session, question: Question, answer: Answer) -> None:
    """Add a turn in the caller's transaction, beginning the conversation where it is new."""
    conversation = session.get(Conversation, question.conversation_id)
    if conversation is None:
        conversation = Conversation(
            id=question.conversation_id,
            principal=question.principal.name,
            title=question.text[:TITLE_CHARACTERS],
            collection=question.filters.collection,
        )
        session.add(conversation)
        session.flush()
    _require_owner(conversation, question.principal)
    conversation.updated_at = now()
    last = session.scalar(select(func.max(Turn.ordinal)).where(Turn.conversation_id == conversation.id))
    session.add(
        Turn(
            answer_id=answer.id,
            conversation_id=conversation.id,
            ordinal=(last or 0) + 1,
            question=question.text,
            query=answer.query,
            answer=answer.to_json(),
        )
    )


def list_conversations(
    database: Database, principal: Principal, *, search: str | None = None, limit: int = 50, offset: int = 0
) -> list[Json]:
    """Return the principal's conversations, newest first; `search` looks in titles, questions and answers."""
    mine = select(Conversation).where(Conversation.principal == principal.name)
    mine = mine.order_by(Conversation.updated_at.desc(), Conversation.id)
    with database.read() as session:
        if search:
            mine = mine.where(
                or_(
                    Conversation.title.icontains(search, autoescape=True),
                    Conversation.id.in_(_conversations_saying(session, principal, search)),
                )
            )
        return [_summary(conversation) for conversation in session.scalars(mine.limit(limit).offset(offset))]


def show_conversation(database: Database, principal: Principal, conversation_id: str) -> Json:
    """Return one conversation with its turns; this is also its export.

    Raises:
        NotFound: there is none of this id that the principal owns.
    """
    with database.read() as session:
        conversation = _owned(session, principal, conversation_id)
        turns = session.scalars(
            select(Turn).where(Turn.conversation_id == conversation.id).order_by(Turn.ordinal)
        ).all()
        answers = visible_answers(session, principal, [turn.answer for turn in turns])
        return _summary(conversation) | {
            "turns": [
                {"question": turn.question, "answer": answer, "created_at": turn.created_at.isoformat()}
                for turn, answer in zip(turns, answers, strict=True)
            ]
        }


def delete_conversation(database: Database, principal: Principal, conversation_id: str) -> None:
    """Delete a conversation and its turns for good.

    Raises:
        NotFound: there is none of this id that the principal owns.
    """
    with database.write() as session:
        session.delete(_owned(session, principal, conversation_id))


def as_markdown(conversation: Json) -> str:
    """Return an exported conversation as Markdown."""
    lines = [f"# {conversation['title']}", ""]
    for turn in conversation["turns"]:
        answer = turn["answer"]
        lines += [f"**{turn['question']}**", "", answer["text"], ""]
        lines += [f"- [{c['marker']}] {c['title']}, {c['source']}: “{c['quote']}”" for c in answer["citations"]]
        lines.append("")
    return "\n".join(lines)


def _owned(session: Session, principal: Principal, conversation_id: str) -> Conversation:
    conversation = session.get(Conversation, conversation_id)
    if conversation is None:
        raise NotFound(f"no conversation {conversation_id}")
    _require_owner(conversation, principal)
    return conversation


def _require_owner(conversation: Conversation, principal: Principal) -> None:
    if conversation.principal != principal.name:
        raise NotFound(f"no conversation {conversation.id}")


def visible_answers(session: Session, principal: Principal, answers: Sequence[Json]) -> list[Json]:
    """Return earlier answers; of one that names a document the principal may no longer read, only that it was."""
    named = {_id for answer in answers for _id in _documents_of(answer)}
    readable_ids = set(session.scalars(select(Document.id).where(Document.id.in_(named), readable(principal))))
    return [answer if _documents_of(answer) <= readable_ids else {**answer, **WITHHELD} for answer in answers]


def _documents_of(answer: Json) -> set[str]:
    return {item["document_id"] for item in (*answer["citations"], *answer.get("nearest", ()))}


def _conversations_saying(session: Session, principal: Principal, search: str) -> set[str]:
    """Return the conversations whose questions, or answers as they may be read now, hold the words."""
    said = Turn.answer["text"].as_string()
    turns = session.scalars(
        select(Turn)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(Conversation.principal == principal.name)
        .where(or_(Turn.question.icontains(search, autoescape=True), said.icontains(search, autoescape=True)))
    ).all()
    answers = visible_answers(session, principal, [turn.answer for turn in turns])
    words = search.casefold()
    return {
        turn.conversation_id
        for turn, answer in zip(turns, answers, strict=True)
        if words in turn.question.casefold() or words in answer["text"].casefold()
    }


def _summary(conversation: Conversation) -> Json:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "collection": conversation.collection,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
    }
