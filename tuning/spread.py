"""One training run over several devices: each takes its share of the batches, gradients and losses are averaged.

    accelerate launch --num_processes 2 -m tuning.ptune --data … --model … --out …

Only the added parameters learn, a few hundred thousand numbers, so one all-reduce a step is all there is to exchange.
accelerate starts the processes and picks the backend (NCCL on GPUs, gloo on CPUs).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Spread:
    """This process's place among those that share a run."""

    def __init__(self) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank, self.device = 0, None
        if self.world > 1:
            from accelerate import PartialState

            state = PartialState()
            self.world, self.rank, self.device = state.num_processes, state.process_index, state.device

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this process's share; all get the same number, the last ones repeat the first."""
        if self.world == 1:
            return list(items)
        lacking = -len(items) % self.world
        return [*items, *items[:lacking]][self.rank :: self.world]

    def mean(self, total: float, count: int) -> float:
        """Return the mean over all processes of what each summed over its items."""
        if self.world == 1:
            return total / max(count, 1)
        import torch

        both = torch.tensor([total, float(count)], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(both)
        return float(both[0] / both[1].clamp(min=1))

    def average_gradients(self, parameters: Sequence[Any]) -> None:
        """Give every process the mean of all gradients."""
        if self.world == 1:
            return
        import torch

        for parameter in parameters:
            if parameter.grad is not None:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.world

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            import torch

            torch.distributed.barrier()
