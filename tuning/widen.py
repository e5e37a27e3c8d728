"""A decoder with a channel that says the same in every state: what added tokens lose by, whatever is asked.

A head is linear in the last state: a row that loses by much in one state wins in the opposite one. So the model is
given a few channels more. No layer reads or writes them; the table sets the first of them to one small value for every
token, and a row of the head that is negative there and zero elsewhere loses in every state. By how much at least
follows from the weights alone (`proved_margin`): no prompt has a part in it.

Norms average over all channels: their weights and their epsilon are rescaled, which leaves the real channels as they
were, but for rounding.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from core.errors import InvalidInput

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""Decoders of which `longest_state` holds: a norm before each part, and every part added to the state."""
ALIGNED = 8
"""Channels are added by so many: GPUs multiply matrices of other widths slowly."""
CONSTANT = 2.0**-10
"""What every state says in the new channel: too little to move a norm (a real channel says some 0.1 to 1000)."""
LOSING = -(2.0**110)
"""What a losing row of the head says there; its logits stay within float32 and bfloat16, even at a cold temperature."""


def widen(model: Any, size: int) -> Any:
    """Return a copy of a float32 model with room for `size` tokens, a head of its own and the new channels.

    Raises:
        InvalidInput: the model is of no family of which the proof holds.
    """
    import torch

    old, config = model.config, copy.deepcopy(model.config)
    config.hidden_size, config.head_dim = old.hidden_size + _added(old), _head_dimension(old)
    config.rms_norm_eps = old.rms_norm_eps * old.hidden_size / config.hidden_size
    config.vocab_size, config.tie_word_embeddings = size, False
    wide = type(model)(config).to(model.device, torch.float32).eval()
    wide.generation_config = copy.deepcopy(model.generation_config)
    known = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, weight in wide.named_parameters():
            real = known[name]
            weight.zero_()
            weight[tuple(slice(length) for length in real.shape)] = real
            if name.endswith("norm.weight") and weight.shape != real.shape:  # of the whole state, not of one head
                weight *= math.sqrt(old.hidden_size / config.hidden_size)
        wide.get_input_embeddings().weight[:, old.hidden_size] = CONSTANT
        wide.model.norm.weight[old.hidden_size] = 1.0
    return wide


def _added(config: Any) -> int:
    """Return how many channels to add, so that transformers and vLLM both take the width."""
    heads = config.num_attention_heads
    if config.model_type not in FAMILIES or config.hidden_act != "silu":
        raise InvalidInput(
            f"a model of type {config.model_type!r} cannot be exported: only of {', '.join(FAMILIES)} is it proved"
            " that added tokens are never sampled; serve a LoRA adapter instead"
        )
    added = math.lcm(ALIGNED, heads) if config.model_type == "llama" else ALIGNED  # Llama's width is one of heads
    if config.model_type == "qwen2" and (config.hidden_size + added) // heads != _head_dimension(config):
        raise InvalidInput(f"a Qwen2 model of {heads} heads cannot be exported: vLLM would take its heads for wider")
    return added


def _head_dimension(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def losing_row(wide: Any, real: int) -> Any:
    """Return the head's row of an added token: nothing but the new channel; `real` is the width before."""
    row = wide.get_output_embeddings().weight.new_zeros(wide.config.hidden_size)
    row[real] = LOSING
    return row


def proved_margin(wide: Any, real: int, tokens: int) -> float:
    """Return by how many nats at least a losing row loses to the best of `tokens` real ones, in any state there can be.

    After the last norm the new channel is at least `CONSTANT ÷ rms` of the longest state; a real row gives at least
    minus its length, the norm's weights counted, times the length of a state after the norm.
    """
    width, norm = wide.config.hidden_size, wide.model.norm.weight.detach().double()
    rms = (longest_state(wide) + CONSTANT) / math.sqrt(width) + math.sqrt(wide.config.rms_norm_eps)
    rows = wide.get_output_embeddings().weight.detach()[:tokens, :real].double()
    least = float((rows * norm[:real]).norm(dim=1).min()) * math.sqrt(width)
    return -LOSING * CONSTANT / rms - least


def longest_state(wide: Any) -> float:
    """Return what no state before the last norm exceeds in length: the longest row of the table and of every part.

    A state after a norm is at most √width long before its weights. Attention mixes values and makes none longer; the
    gate is at most as large as what it takes. Matrices are bounded by their Frobenius norm.
    """
    import torch

    config, after_norm = wide.config, math.sqrt(wide.config.hidden_size)
    shared = math.sqrt(config.num_attention_heads / config.num_key_value_heads)
    with torch.no_grad():
        length = float(wide.get_input_embeddings().weight.double().norm(dim=1).max())
        return length + sum(_longest_parts(layer, after_norm, shared) for layer in wide.model.layers)


def _longest_parts(layer: Any, after_norm: float, shared: float) -> float:
    """Return the bound on what the two parts of a layer add; `shared` counts the heads that repeat a value."""
    seen, attention = layer.input_layernorm.weight.double(), layer.self_attn
    values = float((attention.v_proj.weight * seen).norm()) * after_norm + _bias(attention.v_proj)
    attended = float(attention.o_proj.weight.double().norm()) * shared * values + _bias(attention.o_proj)
    seen, gated = layer.post_attention_layernorm.weight.double(), layer.mlp
    gate, up = (_outputs(part, seen, after_norm) for part in (gated.gate_proj, gated.up_proj))
    return attended + float(gated.down_proj.weight.double().norm()) * float((gate * up).norm()) + _bias(gated.down_proj)


def _outputs(part: Any, seen: Any, length: float) -> Any:
    """Return the largest size of each output of a map over a state of this length after a norm of these weights."""
    largest = (part.weight * seen).norm(dim=1) * length
    return largest if part.bias is None else largest + part.bias.double().abs()


def _bias(part: Any) -> float:
    return 0.0 if part.bias is None else float(part.bias.double().norm())
