"""Which device runs a model."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Literal

from core.errors import InvalidInput

DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""Device files of NVIDIA's driver, natively and under WSL."""


def pick_device(choice: Literal["auto", "cpu", "cuda"] = "auto") -> str:
    """Return `cuda` where one is present and wanted, else `cpu`.

    Raises:
        InvalidInput: `cuda` was asked for and there is none.
    """
    if choice == "cpu":
        return "cpu"
    if _cuda_present():
        return "cuda"
    if choice == "cuda":
        raise InvalidInput("embedder.device is cuda and this machine has no CUDA device; set it to auto or cpu")
    return "cpu"


@cache
def _cuda_present() -> bool:
    if sys.platform == "linux" and not any(path.exists() for path in DRIVERS):
        return False  # without loading torch, which takes seconds
    import torch

    if not torch.cuda.is_available():
        return False
    # cuDNN's attention, torch's first choice on newer GPUs, builds a plan for every shape it meets (60 to 90 ms), and
    # the texts of every question have another; the other kernels take any shape at once.
    torch.backends.cuda.enable_cudnn_sdp(False)
    return True
