"""Cutting long texts: every token is in a window, no window is too long, the first of a pair is in each."""

import pytest

from models.lora import batch_of, windows
from models.tagging import spans_of


@pytest.mark.parametrize("tokens", [0, 1, 14, 15, 40, 333])
@pytest.mark.parametrize("first", [None, [1, 2, 3]])
def test_windows_cover_everything(tokens, first):
    found = windows(first, list(range(tokens)), max_tokens=16, limit=100)
    assert {token for window in found for token in window} == set(range(tokens))
    assert all(len(window) + len(first or ()) + (2 if first is None else 3) <= 16 for window in found)


def test_the_limit_keeps_the_ends():
    found = windows(None, list(range(500)), max_tokens=16, limit=4)
    assert len(found) == 4
    assert found[0][0] == 0
    assert found[-1][-1] == 499


def test_pairs_are_marked_as_pairs():
    batch = batch_of([([5, 6], [7]), (None, [8])], cls=1, sep=2, pad=0)
    assert batch.ids.tolist() == [[1, 5, 6, 2, 7, 2], [1, 8, 2, 0, 0, 0]]
    assert batch.segments.tolist() == [[0, 0, 0, 0, 1, 1], [0] * 6]
    assert batch.mask.tolist() == [[1] * 6, [1, 1, 1, 0, 0, 0]]


def test_pieces_of_a_word_share_its_label_and_neighbours_join():
    text = "Ana Lopez, Bob"
    offsets = [(0, 3), (4, 6), (6, 9), (9, 10), (11, 14)]
    inside, outside = [0.1, 0.9], [0.9, 0.1]
    spans = spans_of(text, offsets, [inside, inside, outside, outside, inside], ["O", "PERSON"], 0.5)
    assert [(text[s.start : s.end], s.label) for s in spans] == [("Ana Lopez", "PERSON"), ("Bob", "PERSON")]
