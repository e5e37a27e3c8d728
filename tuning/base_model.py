"""A causal language model as plain weights in a folder, from a folder or from a packed GGUF file.

transformers reads GGUF but keeps the weights packed and cannot save them; training and export want plain ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from generation.stops import stop_ids


def load_plain(path: Path, dtype: Any = None) -> tuple[Any, Any]:
    """Return tokenizer and model with plain weights (float32 unless told otherwise)."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    packed = path if path.suffix == ".gguf" else next(iter(sorted(path.glob("*.gguf"))), None)
    dtype = dtype or torch.float32
    if packed is None:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        return tokenizer, AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=dtype)
    where = {"pretrained_model_name_or_path": packed.parent, "gguf_file": packed.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    read = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = AutoConfig.from_pretrained(**where)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    return tokenizer, model.to(dtype)


def main() -> None:
    """Write the plain weights of a model to a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    import torch

    tokenizer, model = load_plain(options.model, torch.bfloat16 if options.bf16 else torch.float32)
    # a server ends a reply where this says; an adapter may have learnt to end with another of the special tokens
    model.generation_config.eos_token_id = stop_ids(tokenizer)
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)


if __name__ == "__main__":
    main()
