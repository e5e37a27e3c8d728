"""From a ranked list of passages to the ones returned: near-duplicates folded, neighbours joined, no document filling
the list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from core.types import ScoredChunk

SAME_WORDS = 0.8
"""Jaccard similarity of words from which passages of near-duplicate documents count as one."""
JOINED_CHARACTERS = 1500
"""Neighbours are joined up to this length, about 350 tokens: what reads a passage reads the joined one whole."""


def fold_near_duplicates(hits: Sequence[tuple[ScoredChunk, int]]) -> list[ScoredChunk]:
    """Keep the best of passages that nearly repeat one another, naming the other sources in `also_in`.

    `hits` is best first, each with the key its document folds into.
    """
    kept: list[ScoredChunk] = []
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for hit, group in hits:
        peers = groups[group]
        twin = next((at for at in peers if _repeats(kept[at], hit)), None)
        if twin is None:
            peers.append(len(kept))
            kept.append(hit)
        else:
            names = dict.fromkeys((*kept[twin].also_in, hit.source, *hit.also_in))
            kept[twin] = replace(kept[twin], also_in=tuple(names))
    return kept


def _repeats(first: ScoredChunk, second: ScoredChunk) -> bool:
    if first.chunk.document_id == second.chunk.document_id:
        return False
    known, words = (frozenset(hit.chunk.text.casefold().split()) for hit in (first, second))
    return len(known & words) >= SAME_WORDS * len(known | words)


@dataclass(slots=True)
class Joined:
    """A passage and the neighbours that the list holds too: one place of it."""

    best: ScoredChunk
    ordinals: range
    start: int
    end: int

    @classmethod
    def of(cls, hit: ScoredChunk) -> Joined:
        """Return a passage by itself."""
        chunk = hit.chunk
        return cls(hit, range(chunk.ordinal, chunk.ordinal + 1), chunk.start, chunk.end)

    @property
    def alone(self) -> bool:
        """Whether it holds no neighbour."""
        return len(self.ordinals) == 1

    def takes(self, hit: ScoredChunk) -> bool:
        """Join a passage of the same page and section that stands right before or after, where it fits."""
        mine, other = self.best.chunk, hit.chunk
        if (mine.document_id, mine.version, mine.page) != (other.document_id, other.version, other.page):
            return False
        start, end = min(self.start, other.start), max(self.end, other.end)
        near = other.ordinal in (self.ordinals.start - 1, self.ordinals.stop)
        if not near or mine.heading.split("\n")[0] != other.heading.split("\n")[0] or end - start > JOINED_CHARACTERS:
            return False
        self.start, self.end = start, end
        self.ordinals = range(min(self.ordinals.start, other.ordinal), max(self.ordinals.stop, other.ordinal + 1))
        return True


def choose(hits: Sequence[ScoredChunk], k: int, per_document: int, *, fill: bool = True) -> list[Joined]:
    """Return `k` passages, best first, with at most `per_document` of one document, or what it leads by.

    A document may have more, in proportion to its part of the first `2 k` hits, as long as another keeps a place: a
    question about one long document is answered from it. `fill` takes more where nothing else is left.
    """
    limits = _limits(hits, k, per_document)
    taken: dict[int, Joined] = {}
    spare: list[int] = []
    seen: defaultdict[str, list[Joined]] = defaultdict(list)
    for at, hit in enumerate(hits):
        name = hit.chunk.document_id
        if any(joined.takes(hit) for joined in seen[name]):
            continue
        if len(taken) == k:
            break
        if len(seen[name]) < limits.get(name, per_document):
            taken[at] = Joined.of(hit)
            seen[name].append(taken[at])
        else:
            spare.append(at)
    if fill:
        taken |= {at: Joined.of(hits[at]) for at in spare[: k - len(taken)]}
    return [taken[at] for at in sorted(taken)]


def _limits(hits: Sequence[ScoredChunk], k: int, per_document: int) -> Mapping[str, int]:
    first = Counter(hit.chunk.document_id for hit in hits[: 2 * k])
    total = max(1, sum(first.values()))
    most = max(per_document, k - 1)
    return {name: max(per_document, min(most, ceil(k * count / total))) for name, count in first.items()}
