"""The mean of two second readers is the sum of their changes, cut to the rank of one."""

import pytest
import torch
from torch import Tensor

from tuning.second_reader_mean import mean_of


def change(seed: int, rank: int = 4) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {"map.a": torch.randn(rank, 10, generator=chance), "map.b": torch.randn(8, rank, generator=chance)}


def whole(tensors: dict[str, Tensor]) -> Tensor:
    return tensors["map.b"] @ tensors["map.a"]


def test_the_mean_is_the_best_of_its_rank() -> None:
    one, other = change(1), change(2)
    made = mean_of(one, other, 0.7)
    assert made["map.a"].shape == one["map.a"].shape
    assert made["map.b"].shape == one["map.b"].shape
    wanted = 0.7 * whole(one) + 0.3 * whole(other)
    left, sizes, right = torch.linalg.svd(wanted)
    best = (left[:, :4] * sizes[:4]) @ right[:4]
    assert torch.allclose(whole(made), best, atol=1e-4)


def test_the_mean_of_a_reader_with_itself_is_that_reader() -> None:
    one = change(3)
    assert torch.allclose(whole(mean_of(one, one, 0.3)), whole(one), atol=1e-4)


def test_readers_of_other_maps_have_no_mean() -> None:
    with pytest.raises(ValueError, match="different maps"):
        mean_of(change(1), {"else.a": torch.zeros(1, 1), "else.b": torch.zeros(1, 1)}, 0.5)
