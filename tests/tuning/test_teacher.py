"""The factors of a cut change learn while the maps stay; and what a row weighs and asks."""

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


def test_only_the_factors_learn_and_they_come_back() -> None:
    made = teacher()
    before = made._before["map.weight"]
    change = {"map.weight.a": torch.randn(2, 6), "map.weight.b": torch.randn(4, 2)}
    made.factor({name: tensor.clone() for name, tensor in change.items()})
    assert torch.allclose(made._model.map.weight, before + change["map.weight.b"] @ change["map.weight.a"])
    made._model.map(torch.randn(3, 6)).square().sum().backward()
    learning = {name for name, weight in made._model.named_parameters() if weight.requires_grad}
    assert learning == {"map.parametrizations.weight.0.a", "map.parametrizations.weight.0.b"}
    optimizer = torch.optim.SGD([weight for weight in made._model.parameters() if weight.requires_grad], lr=0.1)
    optimizer.step()
    assert torch.equal(made._model.map.parametrizations["weight"].original, before)
    found = made.factors()
    assert set(found) == set(change)
    assert not torch.allclose(found["map.weight.a"].float(), change["map.weight.a"], atol=1e-2)


def test_a_claim_is_asked_in_its_own_form() -> None:
    assert FORMS == {"Question": QUESTION, "Claim": CLAIM}
    assert CLAIM.prompt("It rains.", "Rain.").startswith("Claim: It rains.\nPassage: Rain.\nClaim: It rains.\n")
