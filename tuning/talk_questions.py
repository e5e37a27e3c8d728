"""Questions asked in conversations about the passages of one site; two in five are answered by none of them.

Written for this project: people follow up in few words, and the passages speak of what they ask, but do not always
tell. A file of `talks` has topics, each with its passages and what is said about them:

    = TOPIC
    # TITLE                   a passage, up to the next mark
    ~                         a conversation begins
    U QUESTION | WORDS        answered in these words, which stand once in the topic's passages; by none without words
    A REPLY                   of the assistant, for what is asked after it
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.types import OPERATOR, Message, Question
from generation.rewrite import heard, rewrite
from tuning.passages_data import Passage, WordSearch, written_row

SOURCE = "talks"
FILES = tuple(sorted((Path(__file__).parent / "talks").glob("*.txt")))
_ITEM = re.compile(r"(?:\*|-|\d+\.) ")
"""Begins a line of its own; other lines of a passage run on."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was asked, what was said before, and the words that answer it, if any do."""

    question: str
    answer: str
    history: tuple[Message, ...]


@dataclass(slots=True)
class Topic:
    """The passages of a site, and what is asked about them."""

    name: str
    passages: list[Passage] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


def read_talks(path: Path) -> list[Topic]:
    """Read the topics of a file.

    Raises:
        ValueError: an answer does not stand once in its topic's passages.
    """
    topics: list[Topic] = []
    said: tuple[Message, ...] = ()
    talking = False
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, rest = line[:2], line[2:].strip()
        if mark == "= ":
            topics.append(Topic(rest))
        elif mark == "# ":
            talking = False
            topics[-1].passages.append(Passage(rest, "", topics[-1].name))
        elif line.strip() == "~":
            talking, said = True, ()
        elif mark == "U " and talking:
            question, _, answer = (part.strip() for part in rest.partition(" |"))
            topics[-1].turns.append(Turn(question, answer, said))
            said += (Message("user", question),)
        elif mark == "A " and talking:
            said += (Message("assistant", rest),)
        else:
            last = topics[-1].passages[-1]
            gap = "\n" if _ITEM.match(line) else " "
            text = f"{last.text}{gap}{line.strip()}"
            topics[-1].passages[-1] = Passage(last.title, text.strip(), last.group)
    for topic in topics:
        for turn in topic.turns:
            found = sum(passage.text.count(turn.answer) for passage in topic.passages) if turn.answer else 1
            if found != 1:
                raise ValueError(f"{path.name}, {topic.name}: {turn.answer!r} stands there {found} times")
    return topics


def make_talk_rows(paths: Sequence[Path], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield rows for readers, a question rewritten as the product does, and `heard` as the second reader is shown it.

    One with an answer comes with its passage, and half of these with one that looks right; one without with two of
    those. Whole topics, the groups, are held out.
    """
    for topic in (topic for path in paths for topic in read_talks(path)):
        search, group = WordSearch(topic.passages), f"talk {topic.name}"
        for turn in topic.turns:
            question = rewrite(Question(turn.question, OPERATOR, history=turn.history)).text
            told = {"heard": heard(question, turn.history)}
            found = search.find(question, len(topic.passages))
            if turn.answer:
                right = next(passage for passage in topic.passages if turn.answer in passage.text)
                yield written_row(question, right, turn.answer, group, SOURCE) | told
                found = [passage for passage in found if passage is not right]
                if found and chance.random() < 0.5:
                    yield written_row(question, found[0], "", group, SOURCE) | told
            else:
                yield from (written_row(question, passage, "", group, SOURCE) | told for passage in found[:2])
