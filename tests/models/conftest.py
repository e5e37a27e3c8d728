from pathlib import Path

import numpy as np
import pytest
import torch

WORDS = ["<end>", "a", "b", "c", "ab", "Ġ", "Ġa"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A random Llama in a GGUF file, and the same in transformers."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import dequantize, quantize
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(3)
    model = LlamaModel(
        LlamaConfig(
            vocab_size=40,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            rope_parameters={"rope_type": "default", "rope_theta": 100.0},
            rms_norm_eps=1e-5,
            initializer_range=0.3,  # with small weights all tokens see all others alike, and turns would not matter
        )
    ).eval()
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(100.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_merges(["a b", "Ġ a"])
    names = {"embed_tokens": "token_embd", "norm": "output_norm", "input_layernorm": "attn_norm"}
    names |= {"post_attention_layernorm": "ffn_norm", "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v"}
    names |= {"o_proj": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
    for name, weight in model.named_parameters():
        parts = name.split(".")
        values = weight.detach().numpy()
        if parts[-2] in ("q_proj", "k_proj"):
            heads = 4 if parts[-2] == "q_proj" else 2
            values = values.reshape(heads, 2, -1, 64).swapaxes(1, 2).reshape(values.shape)
        layer = f"blk.{parts[1]}." if parts[0] == "layers" else ""
        if parts[-2] == "down_proj":  # one packed kind beside plain numbers
            blocks = quantize(np.ascontiguousarray(values), GGMLQuantizationType.Q8_0)
            weight.data = torch.from_numpy(dequantize(blocks, GGMLQuantizationType.Q8_0))
            writer.add_tensor(f"{layer}{names[parts[-2]]}.weight", blocks, raw_dtype=GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{layer}{names[parts[-2]]}.weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, model
