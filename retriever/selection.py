"""From a ranked list of passages to the ones returned: near-duplicates folded, no document fills the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from core.types import ScoredChunk

SAME_WORDS = 0.8
"""Jaccard similarity of words from which passages of near-duplicate documents count as one."""


def fold_near_duplicates(hits: Sequence[tuple[ScoredChunk, int]]) -> list[ScoredChunk]:
    """Keep the best of passages that nearly repeat one another, naming the other sources in `also_in`.

    `hits` is best first, each with the key its document folds into.
    """
    kept: list[ScoredChunk] = []
    groups: dict[int, list[tuple[int, frozenset[str]]]] = {}
    for hit, group in hits:
        words = frozenset(hit.chunk.text.casefold().split())
        peers = groups.setdefault(group, [])
        twin = next((at for at, known in peers if _repeats(kept[at], hit, known, words)), None)
        if twin is None:
            peers.append((len(kept), words))
            kept.append(hit)
        else:
            names = dict.fromkeys((*kept[twin].also_in, hit.source, *hit.also_in))
            kept[twin] = replace(kept[twin], also_in=tuple(names))
    return kept


def _repeats(first: ScoredChunk, second: ScoredChunk, known: frozenset[str], words: frozenset[str]) -> bool:
    if first.chunk.document_id == second.chunk.document_id:
        return False
    return len(known & words) >= SAME_WORDS * len(known | words)


def cap_per_document(hits: Sequence[ScoredChunk], k: int, per_document: int, *, fill: bool = True) -> list[ScoredChunk]:
    """Return `k` hits with at most `per_document` of one document; `fill` takes more where nothing else is left."""
    taken: list[int] = []
    spare: list[int] = []
    seen: Counter[str] = Counter()
    for at, hit in enumerate(hits):
        if seen[hit.chunk.document_id] < per_document:
            seen[hit.chunk.document_id] += 1
            taken.append(at)
        else:
            spare.append(at)
        if len(taken) == k:
            break
    if fill:
        taken.extend(spare[: k - len(taken)])
    return [hits[at] for at in sorted(taken)]
