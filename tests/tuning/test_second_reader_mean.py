"""The mean of low-rank changes is the mean of what they do to a map, cut to a rank."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tuning.second_reader_mean import mean_of, sampled


def change(seed: int, rank: int = 3) -> dict[str, Tensor]:
    made = torch.Generator().manual_seed(seed)
    return {
        "map.weight.a": torch.randn(rank, 8, generator=made),
        "map.weight.b": torch.randn(6, rank, generator=made),
    }


def whole(one: dict[str, Tensor]) -> Tensor:
    return one["map.weight.b"] @ one["map.weight.a"]


def test_at_full_rank_it_is_the_mean() -> None:
    changes = [change(1), change(2)]
    mean = mean_of(changes, rank=6)
    assert torch.allclose(whole(mean), sum(map(whole, changes)) / 2, atol=1e-5)


def test_cut_it_is_the_nearest_of_that_rank() -> None:
    changes = [change(1), change(2)]
    wanted = sum(map(whole, changes)) / 2
    left, sizes, right = torch.linalg.svd(wanted, full_matrices=False)
    mean = mean_of(changes, rank=2)
    assert mean["map.weight.a"].shape == (2, 8)
    assert torch.allclose(whole(mean), left[:, :2] @ torch.diag(sizes[:2]) @ right[:2], atol=1e-5)


def test_readers_that_change_other_maps_have_no_mean() -> None:
    other = {name.replace("map", "other"): tensor for name, tensor in change(2).items()}
    with pytest.raises(ValueError, match="different maps"):
        mean_of([change(1), other])


def test_a_sample_takes_as_many_of_each_kind_and_the_same_at_every_call() -> None:
    rows = [{"held": "group", "source": source, "n": n} for source in ("squad", "plain") for n in range(10)]
    taken = sampled(rows, 4)
    assert [row["source"] for row in taken] == ["squad"] * 4 + ["plain"] * 4
    assert taken == sampled(rows, 4)
    assert len(sampled(rows, None)) == 20
