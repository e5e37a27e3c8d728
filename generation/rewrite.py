"""A follow-up made into a query that stands alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from textwrap import shorten

from core.errors import GenerationError
from core.types import Message, Query, Question
from core.words import STOPWORDS, content_words, stem, words
from generation.anchors import anchors
from generation.generators import Completer, Generator
from generation.languages import is_own_words
from generation.prompts import render

log = logging.getLogger(__name__)

FEW_WORDS = 3
"""Content words under which a question leans on what was said before."""
CARRIED = 12
"""Words taken over from earlier turns at most: more drown the question's own."""
QUESTION_WEIGHTS, REPLY_WEIGHT = (0.2, 0.1), 0.1
"""What the last question, the one before and the last reply weigh in a search, beside 1 for what is asked now."""
LEANING = 2
"""Times these in the search of a follow-up that leans on them: of those in held-out talks it then finds 0.93 instead of
0.88 among eight passages, of MTRAG's 0.97 as before; three times loses there (0.96)."""
LONGEST_REPLY = 20_000
"""Characters of an earlier reply that are looked at: more than any answer has."""
REPLY_CHARACTERS = 1000
"""Of a long reply the beginning is searched with."""
LONGEST_ASKED = 4000
"""Characters of an earlier question that are looked at: no question is longer, whatever a client sends as one."""
HEARD, REPLY_HEARD = 300, 120
"""Characters of a follow-up with what it leans on, as the second reader is shown it, and of the last reply in it."""
_MARKER = re.compile(r"\s?\[\d+\]")
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|she|his|her|him|there|one|ones|same|former|latter|above|such)\b"
    r"|^(?:and|or|but|so|what about|how about|why|then|also|ok|yes|no|really|more|else)\b",
    re.IGNORECASE,
)

FRAGMENT_WORDS = 8
"""Words of a follow-up that only names another thing; more say something themselves."""
_FRAGMENT = re.compile(r"(?:and |und )?(?:and|or|but|what about|how about|und|oder|was ist mit)\b[ ,]*", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[?!.])\s+")
_ASKS = re.compile(
    r"\b(?:who|whom|whose|what|when|where|why|how|which|is|are|was|were|do|does|did|can|could|may|must|should|will|would"
    r"|has|have|it|its|they|them|that|this|those|these|wer|was|wann|wo|warum|wie|welche\w*|ist|sind|hat|haben|kann|muss)\b",
    re.IGNORECASE,
)


def rewrite(question: Question, generator: Generator | None = None) -> Query:
    """Return the search query of a question; chunks cited in the turn before stay candidates.

    A model server rewrites follow-ups that lean on what was said before, where one is in use; otherwise the words of
    earlier turns are added. Either way the search also weighs what was said before, more so for one that leans on it.
    """
    if not question.history:
        return Query(question.text)
    carry, leaning = question.cited_chunks, _leans_back(question.text)
    earlier = _earlier(question.history, leaning=leaning)
    if not leaning:
        return Query(question.text, carry, earlier=earlier)
    if generator is not None and generator.name == "vllm" and isinstance(generator, Completer):
        asked = render("rewrite", conversation=_conversation(question.history), question=question.text)
        try:
            text = generator.complete(asked, max_tokens=80).splitlines()
        except GenerationError as error:
            log.warning("the model could not rewrite a follow-up (%s); using the words of earlier turns", error.kind)
        else:
            if text and text[0].strip():
                return Query(text[0].strip(), carry, earlier=earlier)
    return Query(
        _whole(question.text, question.history) or _with_words_before(question.text, question.history),
        carry,
        question.text,
        earlier,
    )


def _earlier(history: Sequence[Message], *, leaning: bool) -> tuple[tuple[str, float], ...]:
    """Return the last questions, the latest first, and the last reply, each with its weight in a search."""
    times = LEANING if leaning else 1
    asked = _questions(history)
    replies = _replies(history)
    told = [*zip(reversed(asked[-len(QUESTION_WEIGHTS) :]), QUESTION_WEIGHTS, strict=False)]
    told += [(reply[:REPLY_CHARACTERS], REPLY_WEIGHT) for reply in replies[-1:]]
    return tuple((text, times * weight) for text, weight in told)


def _questions(history: Sequence[Message]) -> list[str]:
    """Return what was asked."""
    return [message.content[:LONGEST_ASKED] for message in history if message.role == "user"]


def _replies(history: Sequence[Message]) -> list[str]:
    """Return what was answered, without markers; a refusal says nothing that a follow-up could be about."""
    replies = (message.content[:LONGEST_REPLY] for message in history if message.role == "assistant")
    return [_MARKER.sub("", reply) for reply in replies if not is_own_words(reply)]


def points_back(text: str) -> bool:
    """Whether a question says by a word of its own that it is about something said before."""
    return _POINTS_BACK.search(text.strip()) is not None


def _leans_back(text: str) -> bool:
    return points_back(text) or len(content_words(text)) <= FEW_WORDS


def _whole(text: str, history: Sequence[Message]) -> str:
    """Return a follow-up that only names another thing ("And on Sundays?") after the question it repeats.

    Names of that question are left out where the follow-up names another; empty where it is no such follow-up.
    """
    asked = _questions(history)
    repeated = next((before for before in reversed(asked) if not _names_only(before)), None)
    if repeated is None or not _names_only(text):
        return ""
    names = anchors(repeated)[0] if anchors(text)[0] else frozenset()
    kept = [word for word in repeated.split() if not {stem(part) for part in words(word)} & names]
    return f"{' '.join(kept).rstrip('?!. ')}? {text}"


def _names_only(text: str) -> bool:
    plain = " ".join(text.split()).rstrip("?!. ")
    found = _FRAGMENT.match(plain)
    named = plain[found.end() :] if found else ""
    if not named or "?" in named or "!" in named:
        return False
    return len(named.split()) <= FRAGMENT_WORDS and not _ASKS.search(named)


def _with_words_before(text: str, history: Sequence[Message]) -> str:
    """Return the question followed by the content words of earlier questions, the latest first, then of the reply."""
    asked = _questions(history)
    known = {stem(word) for word in words(text)}
    carried: list[str] = []
    for before in [*reversed(asked[-2:]), *(reply[:200] for reply in _replies(history)[-1:])]:
        for word in words(before):
            if word not in STOPWORDS and stem(word) not in known and len(carried) < CARRIED:
                known.add(stem(word))
                carried.append(word)
    return " ".join([text, *carried])


def own_words(query: str, history: Sequence[Message]) -> frozenset[str]:
    """Return the content words of a query of `rewrite` without those that it was lent by earlier turns."""
    return content_words(_asked(query, history)) or content_words(query)


def heard(query: str, history: Sequence[Message]) -> str:
    """Return the question of a query of `rewrite` after what it leans on, as it was said; the second reader reads this.

    The words alone that a follow-up is lent do not tell what "it" is. Where there is no room for all, the last question
    goes before the last reply, and that before the question before.
    """
    asked = _asked(query, history)
    if not history or not _leans_back(asked):
        return asked
    questions = _questions(history)
    reply = "".join(shorten(text, REPLY_HEARD, placeholder=" …") for text in _replies(history)[-1:])
    told = {"before": "".join(questions[-2:-1]), "last": "".join(questions[-1:]), "reply": reply}
    room = HEARD - len(asked)
    for name in ("last", "reply", "before"):
        room -= len(told[name]) + 1
        if room < 0:
            told[name] = ""
    return " ".join(text for text in (*told.values(), asked) if text)


def _asked(query: str, history: Sequence[Message]) -> str:
    """Return the question that `rewrite` made a query of without a model; the query itself where it made none."""
    *repeated, last = _SENTENCE.split(query)
    if repeated and _names_only(last):
        return last
    own = query.split(" ")
    for lent in range(min(CARRIED, len(own) - 1), 0, -1):
        asked = " ".join(own[:-lent])
        if _with_words_before(asked, history) == query:
            return asked
    return query


def _conversation(history: Sequence[Message]) -> str:
    names = {"user": "Asked", "assistant": "Answered"}
    return "\n".join(f"{names[message.role]}: {message.content[:600]}" for message in history[-6:])
