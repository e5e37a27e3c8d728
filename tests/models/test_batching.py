"""Work of several threads done together: every caller gets its own results, and its own errors."""

import threading
import time

import pytest

from models.batching import Batcher


def test_what_waits_is_computed_together_and_each_caller_gets_its_own():
    sizes, gate = [], threading.Event()

    def double(items):
        sizes.append(len(items))
        assert gate.wait(60)
        return [2 * item for item in items]

    batcher, found = Batcher(double, "double"), {}

    def ask(n):
        found[n] = list(batcher([n, n + 1]))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60  # until all but the first caller wait behind the closed gate, or share its batch
    while sum(sizes) // 2 + batcher._tickets.qsize() < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    gate.set()
    for thread in threads:
        thread.join(60)
    assert found == {n: [2 * n, 2 * n + 2] for n in range(20)}
    assert sum(sizes) == 40
    assert len(sizes) <= 2


def test_an_error_reaches_only_the_caller_whose_item_causes_it():
    gate = threading.Event()

    def inverse(items):
        assert gate.wait(60)
        return [1 / item for item in items]

    batcher, found = Batcher(inverse, "inverse"), {}

    def ask(n):
        try:
            found[n] = list(batcher([n]))
        except ZeroDivisionError as error:
            found[n] = error

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(60)
    assert isinstance(found.pop(0), ZeroDivisionError)
    assert found == {n: [1 / n] for n in (1, 2, 3)}
    assert list(batcher([4])) == [0.25]


@pytest.mark.parametrize("most", [1, 3])
def test_a_full_batch_leaves_the_rest_for_the_next(most):
    batcher = Batcher(lambda items: [len(items)] * len(items), "count", most=most)
    assert list(batcher([])) == []
    assert list(batcher(["a"] * 5)) == [5] * 5
