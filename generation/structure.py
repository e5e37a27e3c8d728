"""What a draft may look like, for a server that can hold its model to it."""

from __future__ import annotations

from collections.abc import Iterable

from generation.prompts import NOT_FOUND

LONGEST_CLAIM = 400
"""Characters of a sentence before its markers: without a bound a small model may never come to cite."""
MOST_CLAIMS = 6


def citing_regex(markers: Iterable[int]) -> str:
    """Return the pattern of a draft whose every sentence ends with markers of passages it was shown, or that declines.

    Only what every structured-output backend knows: groups, classes and counted repeats, no look-around.
    """
    known = "|".join(str(marker) for marker in sorted(set(markers)))
    claim = rf"[^\[\]\n]{{2,{LONGEST_CLAIM}}} ?(\[({known})\]){{1,3}}[.]?"
    return rf"({NOT_FOUND}|{claim}([ \n]{claim}){{0,{MOST_CLAIMS - 1}}})"
