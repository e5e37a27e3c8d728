"""Where a draft ends: at any special token, since none belongs into an answer.

Files disagree about which token ends a turn, and a model that was trained to end with another one would run on and
write the next question itself.
"""

from __future__ import annotations

from typing import Any


def stop_ids(tokenizer: Any) -> list[int]:
    """Return the ids of all special tokens of a tokenizer."""
    added = {int(number) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return sorted(added | set(tokenizer.all_special_ids))
