from pathlib import Path

import pytest
import torch

from core.errors import NotFound
from core.settings import EmbedderSettings
from models.second_reader import (
    FOLDER,
    QUESTION,
    fast_dtype,
    has_second_reader,
    in_eight_bits,
    in_floats,
    load_second_reader,
)
from tests.generation.passages import CONTACT, LEAVE


def test_an_adapter_in_eight_bits_is_nearly_itself() -> None:
    given = {"w.a": torch.randn(4, 50), "w.b": torch.randn(30, 4) * torch.tensor([1.0, 10.0, 0.1, 0.0])}
    found = in_floats(in_eight_bits(given))
    assert set(found) == set(given)
    for name, tensor in given.items():
        assert torch.allclose(found[name], tensor, atol=float(tensor.abs().max()) / 250)
    assert torch.allclose(found["w.b"][:, 2], given["w.b"][:, 2], atol=0.002)


def test_a_missing_adapter_says_how_to_get_it(tmp_path: Path) -> None:
    assert not has_second_reader(tmp_path)
    with pytest.raises(NotFound, match=r"tuning\.reader_teacher"):
        load_second_reader(EmbedderSettings(), tmp_path)


def test_what_is_too_long_is_cut_and_the_question_stands_twice() -> None:
    prompt = QUESTION.prompt("Why? " * 100, "Because. " * 1000)
    assert len(prompt) < 2 * 300 + 1400 + 100
    assert prompt.count("Question: Why?") == 2


def test_bfloat16_only_where_the_processor_has_it() -> None:
    able = torch.cpu.get_capabilities()
    assert (fast_dtype("cpu") is torch.bfloat16) == bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    assert fast_dtype("cuda") is torch.bfloat16


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_a_passage_that_answers_is_told_from_one_that_nearly_does() -> None:
    reader = load_second_reader(EmbedderSettings(device="cpu"))
    asked = "Who leads the incident response team?"
    right, beside, wrong = reader.read(asked, [CONTACT, "The incident response team meets on Mondays.", LEAVE])
    assert right.logit > 0 > max(beside.logit, wrong.logit)
    assert reader.read(asked, []) == []


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_a_lone_sentence_is_believed_in_its_own_words_and_not_about_the_neighbouring_thing() -> None:
    reader = load_second_reader(EmbedderSettings(device="cpu"))
    [soup] = reader.read("How much does the soup of the day cost?", ["The soup of the day costs two dollars."])
    annual, sick = (
        reader.read(f"How many days of {kind} leave do I get?", ["Employees have 28 days of annual leave."])[0]
        for kind in ("annual", "sick")
    )
    assert min(soup.logit, annual.logit) > 0 > sick.logit


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
@pytest.mark.xfail(
    strict=True, reason="read as a phishing email that has to do with Cofense; longer passages are believed"
)
def test_a_lone_order_that_can_be_read_in_two_ways_is_believed() -> None:
    [reading] = load_second_reader(EmbedderSettings(device="cpu")).read("How do I report a phishing email?", [CONTACT])
    assert reading.logit > 0


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_without_a_pointer_it_reads_all_the_same_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("adapter.safetensors", "card.json"):
        (tmp_path / name).symlink_to(FOLDER / name)
    asked = "Who leads the incident response team?"
    [reading] = load_second_reader(EmbedderSettings(device="cpu"), tmp_path).read(asked, [CONTACT])
    assert reading.logit > 0
    assert reading.pointed([(0, 40)]) is None
    assert "has no pointer" in caplog.text
