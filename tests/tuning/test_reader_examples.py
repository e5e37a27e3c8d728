import random

from tuning.reader_examples import near_lengths


def test_every_item_comes_once_among_items_of_near_length() -> None:
    lengths = random.Random(4).sample(range(1000), 300)
    dealt = list(near_lengths(lengths, 8, random.Random(1), lambda length: length))
    assert sorted(length for batch in dealt for length in batch) == sorted(lengths)
    assert all(len(batch) <= 8 for batch in dealt)
    spread = sum(max(batch) - min(batch) for batch in dealt) / len(dealt)
    assert spread < 0.2 * (max(lengths) - min(lengths))
    assert dealt != list(near_lengths(lengths, 8, random.Random(2), lambda length: length))
    assert dealt == list(near_lengths(lengths, 8, random.Random(1), lambda length: length))
