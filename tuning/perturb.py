"""Small changes that make a true sentence false, or a question one that its passage does not answer.

They are the mistakes language models make: another number, another name, a negation, an opposite.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w])")
_NAME = re.compile(r"(?<=[a-z0-9,;:] )[A-Z][\w'’-]+(?: (?:of |the |de )?[A-Z][\w'’-]+)*")
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|has|have|had|can|could|will|would|should|must|does|do|did|may|might)\b(?! not)"
)
_NEGATED = re.compile(r"\b(?:not|never|no longer)\s|n[’']t\b")
_OPPOSITES = (
    "first last|before after|increase decrease|increased decreased|increases decreases|more less|"
    "most least|north south|northern southern|east west|eastern western|largest smallest|larger smaller|"
    "large small|high low|higher lower|highest lowest|early late|earlier later|old young|older younger|"
    "above below|always never|all none|accepted rejected|allowed forbidden|won lost|win lose|began ended|"
    "begin end|start stop|started stopped|open closed|public private|male female|men women|"
    "internal external|minimum maximum|include exclude|includes excludes|with without|inside outside|"
    "best worst|long short|longer shorter|strong weak|gained lost|support oppose|supported opposed|"
    "agreed refused|common rare|many few|majority minority|success failure|successful unsuccessful|"
    "positive negative|buy sell|import export|required optional|new old|left right|upper lower|"
    "ancient modern|rural urban|rich poor|light heavy|fast slow|true false|day night|war peace"
)
OPPOSITE = {word: other for pair in _OPPOSITES.split("|") for word, other in (pair.split(), reversed(pair.split()))}
_CLAUSE = re.compile(
    r"(?P<subject>[A-Z][^,;:()]{2,60}?) (?P<predicate>(?:is|was|were|are|has|have|had|will|would|can|could|may|did|"
    r"became|began|said|took|made|gave|led|went|won|\w{3,}ed) .{12,})"
)
_PRONOUNS = frozenset("It He She They This That These Those There We I You Its His Her Their".split())  # noqa: SIM905
_JOINT = re.compile(r" (?:in|at|for|by|after|before|with|from|because|when|while|during|under|against|to) ")
_MONTHS = frozenset(
    month
    for months in ("January February March April May June July", "August September October November December")
    for month in months.split()
)


def change_number(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """Replace one number by another of the passage or by one of the same size; `None` where there is none."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    match = chance.choice(found)
    number = match.group()
    pool = [other for other in others if other != number and len(other) == len(number)]
    new = chance.choice(pool) if pool and chance.random() < 0.6 else _near(number, chance)
    return text[: match.start()] + new + text[match.end() :] if new != number else None


def swap_name(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """Replace one name by another of the passage; `None` where either is missing."""
    found = [match for match in _NAME.finditer(text) if match.group() not in _MONTHS]
    if not found:
        return None
    match = chance.choice(found)
    words = set(match.group().split())
    pool = [other for other in others if not words & set(other.split())]
    return text[: match.start()] + chance.choice(pool) + text[match.end() :] if pool else None


def negate(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """Add a negation, or take one away."""
    there = list(_NEGATED.finditer(text))
    if there:
        match = chance.choice(there)
        return (text[: match.start()].rstrip() + " " + text[match.end() :].lstrip()).strip()
    found = list(_AUXILIARY.finditer(text))
    if not found:
        return None
    match = found[0]
    return f"{text[: match.end()]} {chance.choice(('not', 'not', 'never'))}{text[match.end() :]}"


def oppose(text: str, chance: random.Random, others: Sequence[str] = ()) -> str | None:
    """Replace one word by its opposite."""
    found = [match for match in re.finditer(r"[A-Za-z]+", text) if match.group().lower() in OPPOSITE]
    if not found:
        return None
    match = chance.choice(found)
    new = OPPOSITE[match.group().lower()]
    return text[: match.start()] + (new.capitalize() if match.group()[0].isupper() else new) + text[match.end() :]


def fuse(one: str, two: str) -> str | None:
    """Give the subject of one sentence the predicate of another, as careless summaries do; `None` where it fails."""
    first, second = _CLAUSE.match(one), _CLAUSE.match(two)
    if first is None or second is None:
        return None
    subject, other = first["subject"], second["subject"]
    if subject.split()[0] in _PRONOUNS or set(subject.casefold().split()) & set(other.casefold().split()):
        return None
    return f"{subject} {second['predicate']}"


def graft(one: str, two: str, chance: random.Random) -> str | None:
    """End one sentence with where, when or why of another; `None` where they share no such joint."""
    joints = [match.group() for match in _JOINT.finditer(one) if match.start() > 15]
    shared = [joint for joint in joints if two.find(joint) > 15]
    if not shared:
        return None
    joint = chance.choice(shared)
    grafted = one[: one.index(joint)] + two[two.index(joint) :]
    return grafted if grafted not in (one, two) else None


CHANGES: tuple[Callable[..., str | None], ...] = (change_number, swap_name, swap_name, oppose, negate)


def make_false(text: str, chance: random.Random, passage: str = "") -> str | None:
    """Return the text with one change that makes it false, `None` where no change applies."""
    numbers, names = numbers_of(passage), names_of(passage)
    for change in chance.sample(CHANGES, len(CHANGES)):
        changed = change(text, chance, numbers if change is change_number else names)
        if changed and changed != text:
            return changed
    return None


def numbers_of(text: str) -> list[str]:
    """Return the numbers of a passage as written."""
    return sorted(set(_NUMBER.findall(text)))


def names_of(text: str) -> list[str]:
    """Return the capitalised names of a passage that do not open a sentence."""
    return sorted({name for name in _NAME.findall(text) if name not in _MONTHS})


def _near(number: str, chance: random.Random) -> str:
    digits = [index for index, mark in enumerate(number) if mark.isdigit()]
    index = chance.choice(digits[1:] if len(digits) > 1 else digits)
    low = 1 if index == 0 else 0
    new = chance.choice([str(value) for value in range(low, 10) if str(value) != number[index]])
    return number[:index] + new + number[index + 1 :]
