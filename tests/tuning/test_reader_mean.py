"""The mean of two readers, and readers that have none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tuning.reader_mean import mean_of


def reader(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "adapter.safetensors")
    return folder


def test_every_tensor_lies_half_way(tmp_path: Path) -> None:
    one = reader(tmp_path / "one", a=torch.tensor([1.0, 3.0]), b=torch.tensor([2.0]).half())
    two = reader(tmp_path / "two", a=torch.tensor([3.0, 5.0]), b=torch.tensor([0.0]).half())
    mean = mean_of([one, two])
    assert {name: tensor.tolist() for name, tensor in mean.items()} == {"a": [2.0, 4.0], "b": [1.0]}


def test_readers_of_other_ranks_have_no_mean(tmp_path: Path) -> None:
    one, two = reader(tmp_path / "one", a=torch.zeros(2, 3)), reader(tmp_path / "two", a=torch.zeros(4, 3))
    with pytest.raises(ValueError, match="different shapes"):
        mean_of([one, two])
