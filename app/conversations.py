"""Conversations belong to the principal who began them; nobody else sees them, not even that they exist."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.footnotes import left_open, neutral_line, neutral_parts
from core.clock import now
from core.db.access import readable
from core.db.models import Conversation, Document, Turn
from core.db.session import Database
from core.errors import InvalidInput, NotFound
from core.stored_answers import EMPTIED, GREETING, documents_of, without_lent_words
from core.types import Json, Message, Principal, Question
from generation.greetings import greeting_language, without_greetings
from generation.languages import DEFAULT, language_of, message

REMEMBERED_TURNS = 6
"""Turns that a follow-up is read against: further back, questions seldom refer and prompts only grow."""
TITLE_CHARACTERS = 80
WITHHELD: Json = {
    **EMPTIED,
    "text": "A document behind this answer can no longer be shown to you.",
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


def append_turn(session: Session, question: Question, answer: Json) -> None:
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
            answer_id=answer["id"],
            conversation_id=conversation.id,
            ordinal=(last or 0) + 1,
            question=question.text,
            query=answer["query"],
            answer=answer,
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
    """Return an exported conversation as Markdown, in which nothing is loaded or followed but what answers cite."""
    lines = [f"# {neutral_line(conversation['title'])}", ""]
    for turn in conversation["turns"]:
        answer = turn["answer"]
        # Answers kept before there were parts left open have no such field.
        told = answer["text"] + left_open(turn["question"], answer.get("unanswered", ()))
        lines += [f"**{neutral_line(turn['question'])}**", "", told, ""]
        for cited in answer["citations"]:
            title, source, quote = neutral_parts(cited["title"], cited["source"], cited["quote"])
            lines.append(f"- [{cited['marker']}] {title}, {source}: “{quote}”")
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
    """Return answers of one conversation, oldest first, as their principal may read them now.

    Of one that names a document which may no longer be read there is only that it was, and those after it are without
    the words it may have lent to what was searched for. A greeting is then without the titles it named.
    """
    readable_ids = readable_of(session, principal, {_id for answer in answers for _id in documents_of(answer)})
    shown: list[Json] = []
    withheld = False
    for answer in answers:
        hidden = not documents_of(answer) <= readable_ids
        if answer["reason"] == GREETING:
            shown.append(_without_titles(answer) if hidden or "named" not in answer else answer)
        else:
            withheld = withheld or hidden
            shown.append({**answer, **WITHHELD} if hidden else _without_lent(answer) if withheld else answer)
    return shown


def readable_of(session: Session, principal: Principal, document_ids: set[str]) -> set[str]:
    """Return those of some documents that a principal may read now."""
    return set(session.scalars(select(Document.id).where(Document.id.in_(document_ids), readable(principal))))


def _without_lent(answer: Json) -> Json:
    """Return an answer without words of a withheld one; a refusal then does not say what was searched for."""
    bare = without_lent_words(answer)
    if bare["text"] == answer["text"]:
        return bare
    return bare | {"text": message(answer["reason"], language_of(answer["question"]))}


def _without_titles(answer: Json) -> Json:
    """Return a greeting without titles; one of before they were noted may name any."""
    return {**answer, "named": [], "text": message("greeting", greeting_language(answer["question"]) or DEFAULT)}


def _conversations_saying(session: Session, principal: Principal, search: str) -> set[str]:
    """Return the conversations whose questions, or answers as they may be read now, hold the words."""
    said = Turn.answer["text"].as_string()
    saying = (
        select(Turn.conversation_id)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(Conversation.principal == principal.name)
        .where(or_(Turn.question.icontains(search, autoescape=True), said.icontains(search, autoescape=True)))
    )
    turns = session.scalars(
        select(Turn).where(Turn.conversation_id.in_(saying)).order_by(Turn.conversation_id, Turn.ordinal)
    )
    words = search.casefold()
    found = set()
    for conversation_id, whole in groupby(turns, key=lambda turn: turn.conversation_id):
        asked = list(whole)
        texts = [turn.question for turn in asked]
        texts += [answer["text"] for answer in visible_answers(session, principal, [turn.answer for turn in asked])]
        if any(words in text.casefold() for text in texts):
            found.add(conversation_id)
    return found


def _summary(conversation: Conversation) -> Json:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "collection": conversation.collection,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
    }
