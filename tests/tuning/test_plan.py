import pytest

from core.errors import InvalidInput
from tuning.plan import GPUS, Load, plan, shape_from_config, shape_of

SMOLLM2 = {
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
MIXTRAL = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}


def test_parameters_are_counted_from_a_config():
    assert shape_from_config("smollm2", SMOLLM2).parameters == pytest.approx(134.5e6, rel=0.005)
    mixtral = shape_from_config("mixtral", MIXTRAL)
    assert mixtral.parameters == pytest.approx(46.7e9, rel=0.01)
    assert mixtral.active == pytest.approx(12.9e9, rel=0.02)


@pytest.mark.parametrize(
    ("size", "weights_gb", "gpus"),
    [
        ("100M", (0.15, 0.25), (1, 1)),
        ("3B", (5.5, 6.5), (1, 1)),
        ("5B", (9, 11), (1, 8)),
        ("20B", (38, 42), (1, 8)),
        ("100B", (190, 210), (8, 32)),
        ("300B", (590, 610), (8, 32)),
    ],
)
def test_orders_of_magnitude_of_published_tables_hold(size, weights_gb, gpus):
    found = plan(shape_of(size), Load(users=100), GPUS["a100-80"], "fp16")
    assert weights_gb[0] <= found.weights_gb <= weights_gb[1]
    assert gpus[0] <= found.gpus <= gpus[1]


def test_cache_follows_its_formula():
    found = plan(shape_of("8B"), Load(1), GPUS["h100"])
    assert found.cache_kb_per_token == pytest.approx(2 * 32 * 8 * 128 * 2 / 1e3)


def test_every_user_has_a_place_and_more_users_never_need_less():
    shape = shape_of("32B")
    counts = [plan(shape, Load(users), GPUS["h100"]) for users in (1, 10, 100, 1000)]
    assert [found.gpus for found in counts] == sorted(found.gpus for found in counts)
    for users, found in zip((1, 10, 100, 1000), counts, strict=True):
        assert found.replicas * found.sequences_per_replica >= users


def test_cost_of_a_thousand_answers_is_price_over_rate():
    found = plan(shape_of("8B"), Load(64), GPUS["h100"])
    assert found.usd_per_1000_answers == pytest.approx(found.usd_per_hour / 3600 / found.answers_per_s * 1000)
    assert found.tokens_per_s == pytest.approx(found.answers_per_s * 300)


def test_what_fits_nowhere_is_refused():
    with pytest.raises(InvalidInput, match="do not fit"):
        plan(shape_of("2000B"), Load(1), GPUS["l4"])
    with pytest.raises(InvalidInput, match="precision"):
        plan(shape_of("8B"), Load(1), GPUS["l4"], "fp3")
    with pytest.raises(InvalidInput, match="says nothing"):
        shape_from_config("x", {"hidden_size": 5})
