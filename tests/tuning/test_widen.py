"""The channel of added tokens: every family keeps its logits, and the proof holds of states nobody prompted."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from core.errors import InvalidInput
from tuning.widen import CONSTANT, longest_state, losing_row, proved_margin, widen

SHAPE = {
    "vocab_size": 40,
    "hidden_size": 48,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
}
CONFIGS = {
    "llama": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "mistral": MistralConfig(**SHAPE, head_dim=6, tie_word_embeddings=False),
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, head_dim=6, tie_word_embeddings=False),
}


def made(family):
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(CONFIGS[family]).eval()
    with torch.no_grad():
        for weight in model.parameters():  # biases and norms too: nothing may hide in a zero or a one
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


@pytest.mark.parametrize("family", CONFIGS)
def test_a_wider_model_gives_the_same_logits_and_its_channel_never_changes(family):
    model, ids = made(family), torch.randint(0, 40, (3, 20))
    wide = widen(model, 48)
    with torch.no_grad():
        before, after = model(ids), wide(ids, output_hidden_states=True)
    assert float((before.logits - after.logits[..., :40]).abs().max()) < 1e-4
    for states in after.hidden_states[:-1]:
        assert torch.equal(states[..., 48], torch.full_like(states[..., 48], CONSTANT))
        assert not states[..., 49:].any()
    assert model.get_input_embeddings().weight.shape == (40, 48)  # the model itself is as it was


@pytest.mark.parametrize("family", CONFIGS)
def test_no_state_is_longer_and_no_added_token_loses_by_less_than_proved(family):
    wide = widen(made(family), 48)
    with torch.no_grad():
        wide.get_output_embeddings().weight[40:] = losing_row(wide, 48)
        states = wide(torch.randint(0, 48, (16, 40)), output_hidden_states=True)
        longest = max(float(layer.norm(dim=-1).max()) for layer in states.hidden_states[:-1])
        best = states.logits[..., :40].max(dim=-1).values.double()
        behind = float((best - states.logits[..., 40:].max(dim=-1).values).min())
    assert longest <= longest_state(wide)
    assert behind >= proved_margin(wide, 48, 40) > 1e20


def test_what_no_proof_covers_is_refused():
    other = AutoModelForCausalLM.from_config(GPT2Config(vocab_size=40, n_embd=32, n_layer=1, n_head=4))
    with pytest.raises(InvalidInput, match="'gpt2' cannot be exported"):
        widen(other, 48)
    few = Qwen2Config(**{**SHAPE, "num_attention_heads": 4})
    with pytest.raises(InvalidInput, match="4 heads cannot be exported"):
        widen(AutoModelForCausalLM.from_config(few), 48)
