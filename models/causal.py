"""A causal language model with its tokeniser, from a folder or from a packed GGUF file.

transformers reads GGUF too, but takes twenty seconds over the vocabulary of the packaged model, and keeps weights in a
form that cannot be saved. Read here (`models/gguf_file.py`), the same model is there in a few.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken

from core.errors import InvalidSetting
from models.gguf_file import GgufFile, read_gguf, tokenizer_of
from models.llama_weights import MAPS, plain_map

CONTROL = 3
"""The type of a token that is no text: the beginning of a turn, its end."""


def load_causal(path: Path, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """Return tokenizer and model, in evaluation mode on the CPU.

    Raises:
        InvalidSetting: a packed file holds another architecture than Llama's.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = path if path.suffix == ".gguf" else None
    if file is None and not (path / "config.json").exists():
        file = next(iter(sorted(path.glob("*.gguf"))), None)
    if file is not None:
        read = read_gguf(file)
        return _tokenizer(read), _model(read).to(dtype).eval()
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    return tokenizer, AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=dtype).eval()


def _tokenizer(file: GgufFile) -> Any:
    from transformers import PreTrainedTokenizerFast

    words, kinds = file.fields["tokenizer.ggml.tokens"], file.fields["tokenizer.ggml.token_type"]
    plain = tokenizer_of(file)
    control = [word for word, kind in zip(words, kinds, strict=True) if kind == CONTROL]
    plain.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in control])
    named = {
        f"{ours}_token": words[file.fields[f"tokenizer.ggml.{theirs}_token_id"]]
        for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
        if f"tokenizer.ggml.{theirs}_token_id" in file.fields
    }
    template = file.fields.get("tokenizer.chat_template")
    return PreTrainedTokenizerFast(tokenizer_object=plain, chat_template=template, **named)


def _model(file: GgufFile) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    if file.fields.get("general.architecture") != "llama":
        raise InvalidSetting(
            f"{file.path} holds a model of architecture {file.fields.get('general.architecture')!r}; packed, only "
            "Llama's are read. Give the folder of the unpacked model."
        )
    heads, pairs = int(file.number("attention.head_count")), int(file.number("attention.head_count_kv"))
    tied = "output.weight" not in file.places
    config = LlamaConfig(
        vocab_size=file.places["token_embd.weight"][0][0],
        hidden_size=int(file.number("embedding_length")),
        intermediate_size=int(file.number("feed_forward_length")),
        num_hidden_layers=int(file.number("block_count")),
        num_attention_heads=heads,
        num_key_value_heads=pairs,
        max_position_embeddings=int(file.number("context_length")),
        rms_norm_eps=file.number("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": file.number("rope.freq_base")},
        tie_word_embeddings=tied,
        bos_token_id=file.fields.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=file.fields.get("tokenizer.ggml.eos_token_id"),
        pad_token_id=file.fields.get("tokenizer.ggml.padding_token_id"),
    )
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    names["lm_head.weight"] = "token_embd.weight" if tied else "output.weight"
    for number in range(config.num_hidden_layers):
        for theirs, ours in (("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm")):
            names[f"model.layers.{number}.{theirs}.weight"] = f"blk.{number}.{ours}.weight"
    weights = {name: torch.from_numpy(file.tensor(ours)) for name, ours in names.items()}
    for number in range(config.num_hidden_layers):
        for name in MAPS:
            weights[f"model.layers.{number}.{name}.weight"] = plain_map(file, number, name)
    return LlamaForCausalLM.from_pretrained(None, config=config, state_dict=weights)
