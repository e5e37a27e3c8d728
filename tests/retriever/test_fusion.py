from __future__ import annotations

import numpy as np
import pytest

from retriever.fusion import fuse

NAN = float("nan")


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_best_of_both_sides_is_one_and_an_average_passage_without_a_word_is_zero():
    fused = fuse(floats(0.9, 0.1), floats(12.0, 0.0), floor=0.1, dense_weight=0.5)
    np.testing.assert_allclose(fused, [1, 0], atol=1e-6)


def test_the_order_of_the_first_does_not_depend_on_how_many_follow():
    dense, lexical = floats(0.8, 0.7, 0.6, 0.2), floats(3, 9, 0, 1)
    deep = fuse(dense, lexical, floor=0.15, dense_weight=0.6)
    shallow = fuse(dense[:3], lexical[:3], floor=0.15, dense_weight=0.6)
    np.testing.assert_allclose(deep[:3], shallow, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_one_side_alone_keeps_its_order(weight):
    dense, lexical = floats(0.1, 0.5, 0.3), floats(3.0, 1.0, 2.0)
    fused = fuse(dense, lexical, floor=0.0, dense_weight=weight)
    side = dense if weight else lexical
    assert np.argsort(fused).tolist() == np.argsort(side).tolist()


def test_a_side_that_scored_nothing_adds_nothing():
    fused = fuse(floats(NAN, NAN), floats(2.0, 1.0), floor=0.3, dense_weight=0.5)
    np.testing.assert_allclose(fused, [0.5, 0.25], atol=1e-6)
    assert np.isfinite(fuse(floats(0.3), floats(0.0), floor=0.3, dense_weight=0.5)).all()
    assert fuse(floats(), floats(), floor=0.3, dense_weight=0.5).shape == (0,)


def test_passages_that_are_all_below_average_keep_their_order_and_words_count():
    """As filters leave them: dividing by a range of nothing gave scores of minus fifty thousand."""
    dense, lexical = np.array([0.10, 0.09, 0.02], dtype=np.float32), np.array([0.0, 3.0, 0.0], dtype=np.float32)
    fused = fuse(dense, lexical, floor=0.15, dense_weight=0.5)
    assert fused.argsort()[::-1].tolist() == [1, 0, 2]
    assert np.abs(fused).max() < 5
