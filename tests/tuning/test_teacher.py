"""What a second reader learnt is cut to a low rank, and starts another; and what a row asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_several_processes_share_a_batch_and_learn_from_the_mean(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "from torch import distributed\n"
        "from tuning.teacher import _average, _latest, _own\n"
        "rank = int(sys.argv[1])\n"
        "distributed.init_process_group('gloo', init_method=f'file://{sys.argv[2]}', rank=rank, world_size=2)\n"
        "weight = torch.zeros(3, requires_grad=True)\n"
        "(weight * sum(_own([1.0, 2.0, 3.0, 4.0]))).sum().backward()\n"
        "_average([weight])\n"
        "print(weight.grad.tolist(), round(_latest(rank / 4, 'cpu'), 2), _own([7]))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert said == ["[5.0, 5.0, 5.0] 0.25 [7]"] * 2
