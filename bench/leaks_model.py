"""What the leak machine expects: documents, lists and groups in plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field

USERS = ("user:ana", "user:bob", "user:eve")
GROUPS = ("group:hr", "group:it")
NAMES = (*USERS, *GROUPS, "public")
COLLECTIONS = ("default", "legal")
SOURCES = tuple(f"/d{number}" for number in range(8))
VOCABULARY = [
    "salary",
    "bonus",
    "leave",
    "contract",
    "notice",
    "pension",
    "travel",
    "laptop",
    "badge",
    "visitor",
    "invoice",
    "budget",
    "audit",
    "merger",
]
K = 5
EVERYTHING = 100


class Leak(AssertionError):
    """Something came out that must not, or did not come out that must; the message holds the history."""


@dataclass
class Model:
    """What the store should be, in plain dictionaries."""

    documents: dict[tuple[str, str], tuple[str, frozenset[str] | None]] = field(default_factory=dict)
    """(collection, source) → (text, its own list or None)."""
    lists: dict[str, set[str]] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)

    def may_read(self, name: str, key: tuple[str, str]) -> bool:
        """Say whether a user may read a document."""
        names = {name, "public"} | {group for user, group in self.members if user == name}
        own = self.documents[key][1]
        return bool(names & (self.lists.get(key[0], set()) if own is None else own))

    def readable(self, name: str) -> set[tuple[str, str]]:
        """Return the documents a user may read."""
        return {key for key in self.documents if self.may_read(name, key)}

    def texts(self, name: str) -> set[tuple[str, str]]:
        """Return (collection, text) of the documents a user may read."""
        return {(key[0], self.documents[key][0]) for key in self.readable(name)}
