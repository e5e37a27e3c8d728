"""A causal language model as plain weights in a folder, from a folder or from a packed GGUF file."""

from __future__ import annotations

import argparse
from pathlib import Path

from generation.stops import stop_ids
from models.causal import load_causal


def main() -> None:
    """Write the plain weights of a model to a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    import torch

    tokenizer, model = load_causal(options.model, torch.bfloat16 if options.bf16 else torch.float32)
    # a server ends a reply where this says; an adapter may have learnt to end with another of the special tokens
    model.generation_config.eos_token_id = stop_ids(tokenizer)
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)


if __name__ == "__main__":
    main()
