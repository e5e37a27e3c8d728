"""A LoRA adapter (Hu et al. 2021) added to the weights it was trained on, so that it costs nothing per token."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

_PREFIX = "base_model.model."


def with_adapter(model: Any, folder: Path) -> Any:
    """Return a copy of a model with an adapter in PEFT's format added: W + B·A · alpha / rank."""
    import torch
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "adapter_model.safetensors")
    scale = config["lora_alpha"] / config["r"]
    adapted = copy.deepcopy(model)
    with torch.no_grad():
        for name in [name for name in tensors if name.endswith(".lora_A.weight")]:
            module = name.removeprefix(_PREFIX).removesuffix(".lora_A.weight")
            weight = adapted.get_submodule(module).weight
            low, high = tensors[name].float(), tensors[name.replace(".lora_A.", ".lora_B.")].float()
            weight += (scale * (high @ low)).to(weight.device, weight.dtype)
    return adapted
