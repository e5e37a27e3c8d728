"""Texts one behind the other, without padding, get the states they get alone; so do claims beside evidence."""

import numpy as np
import pytest
import torch

from models.adapter_files import WEIGHTS, read_adapter, read_base
from models.adapters import Classifier
from models.launcher import framed
from models.lora import batch_of, merged, pooled
from models.packed import PackedBert, PackedEncoders
from models.score_memory import ScoreMemory

PAIRS = [
    ([1000 + n for n in range(first)], [2000 + n for n in range(second)]) for first, second in ((9, 30), (20, 200))
]
SINGLE = [3000 + n for n in range(60)]


@pytest.fixture(scope="module")
def base():
    return read_base("cpu")[0]


@pytest.fixture(scope="module")
def adapter():
    return read_adapter(WEIGHTS / "groundedness", "groundedness", "cpu")


def test_rows_of_any_length_have_the_states_of_the_padded_pass(base, adapter):
    batch = batch_of([*PAIRS, (None, SINGLE)], cls=101, sep=102, pad=0)
    rows = [framed(first, second, cls=101, sep=102) for first, second in [*PAIRS, (None, SINGLE)]]
    with torch.inference_mode():
        expected = merged(base, adapter.lora).hidden(batch, {})
        found = PackedBert(base, adapter.lora).hidden(rows)
    assert [len(states) for states in found] == [42, 223, 62]
    for states, row in zip(found, expected, strict=True):
        torch.testing.assert_close(states, row[: len(states)], atol=5e-5, rtol=0)


def test_an_adapter_put_in_force_anew_gets_an_encoder_of_its_own(base, adapter):
    encoders = PackedEncoders(base)
    again = read_adapter(WEIGHTS / "groundedness", "groundedness", "cpu")
    assert encoders.of(adapter) is encoders.of(adapter)
    assert encoders.of(again) is not encoders.of(adapter)


def test_claims_beside_evidence_score_as_under_the_adapter_itself(tmp_path, base, adapter, monkeypatch):
    classifier = Classifier("cpu", tmp_path)
    monkeypatch.setattr(classifier, "_memory", ScoreMemory(entries=0))
    page = "You can carry over 240 annual leave hours. Ask your manager before you travel. "
    pairs = [("Leave of 240 hours is carried over.", page), ("The moon is green.", page * 5), ("Ask first.", page * 2)]
    scores = classifier.score("groundedness", pairs)
    _, tokenizer = read_base("cpu")
    for (claim, text), score in zip(pairs, scores, strict=True):
        ids = [tokenizer.encode(part, add_special_tokens=False).ids for part in (claim, text)]
        batch = batch_of([(ids[0], ids[1])], cls=101, sep=102, pad=0)
        with torch.inference_mode():
            vector = pooled(base.hidden(batch, adapter.lora), batch.mask, "mean")
            logit = torch.nn.functional.linear(vector, adapter.head_weight, adapter.head_bias)
        assert score == pytest.approx(float(torch.sigmoid(logit)[0, 0]), abs=1e-5)
    assert np.ptp(scores) > 0.3
