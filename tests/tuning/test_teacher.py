"""What a second reader learnt is cut to a low rank, and starts another; and what a row asks."""

from __future__ import annotations

import torch

from models.second_reader import CLAIM, QUESTION
from tuning.teacher import FORMS, Teacher


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = torch.nn.Linear(6, 4, bias=False)


def teacher() -> Teacher:
    made = Teacher.__new__(Teacher)
    made._model = Model()
    made._before = {"map.weight": made._model.map.weight.detach().clone()}
    return made


def test_what_the_maps_learnt_is_cut_to_a_rank_and_starts_another() -> None:
    made = teacher()
    before = made._before["map.weight"]
    learnt = torch.outer(torch.randn(4), torch.randn(6)) + torch.outer(torch.randn(4), torch.randn(6))
    made._model.map.weight.data = before + learnt
    change = made.cut(2)
    assert {name: tuple(tensor.shape) for name, tensor in change.items()} == {
        "map.weight.a": (2, 6),
        "map.weight.b": (4, 2),
    }
    assert torch.allclose(change["map.weight.b"].float() @ change["map.weight.a"].float(), learnt, atol=1e-2)
    made.cut(1)
    assert torch.linalg.matrix_rank(made._model.map.weight - before, atol=1e-3) == 1
    other = teacher()
    begun = other._before["map.weight"]
    other.start(change)
    assert torch.allclose(other._model.map.weight - begun, learnt, atol=1e-2)


def test_a_claim_is_asked_in_its_own_form() -> None:
    assert FORMS == {"Question": QUESTION, "Claim": CLAIM}
    assert CLAIM.prompt("It rains.", "Rain.").startswith("Claim: It rains.\nPassage: Rain.\nClaim: It rains.\n")
