from __future__ import annotations

import pytest
import torch
from support.training_problems import Regression

from aiida_dismai.engine.checkpoint import load_checkpoint
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import OutOfMemory
from aiida_dismai.engine.generators.training import memory
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.generators.training.loop import fit
from aiida_dismai.engine.generators.training.objective import Objective
from aiida_dismai.engine.generators.training.parameters import GraphTrainingParameters


class Hungry(Regression):
    """Does not fit with more structures than ``room``."""

    def __init__(self, room, error=None, **options):
        super().__init__(**options)
        self.room, self.error = room, error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        self.tried = []

    def losses(self, network, indices, validation, epoch, generator):
        self.tried.append(list(indices))
        if len(indices) > self.room:
            raise self.error
        return super().losses(network, indices, validation, epoch, generator)


def train(folder, problem, **parameters):
    settings = GraphTrainingParameters(**{"epochs": 1} | parameters)
    return fit(problem, settings, Context(folder, seed=1), "cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_the_batch_that_failed_is_named(tmp_path, error):
    problem = Hungry(3, error)
    with pytest.raises(OutOfMemory, match=r"^epoch 1, step 1: 4 structures with \d+ atoms do not fit") as caught:
        train(tmp_path, problem, batch_size=4)
    atoms = sum(10 + index for index in problem.tried[-1])
    assert f"4 structures with {atoms} atoms" in str(caught.value)
    assert "smaller batch_size" in str(caught.value)


def test_a_real_allocation_that_no_machine_has(tmp_path):
    class Endless(Regression):
        def losses(self, network, indices, validation, epoch, generator):
            return {"loss": network(torch.empty(2**47, 3)).sum(), "square": torch.zeros(())}

    with pytest.raises(OutOfMemory, match="epoch 1, step 1: 8 structures"):
        train(tmp_path, Endless())


def test_a_validation_that_does_not_fit_says_so(tmp_path):
    class Larger(Regression):
        def losses(self, network, indices, validation, epoch, generator):
            if validation:
                raise MemoryError
            return super().losses(network, indices, validation, epoch, generator)

    with pytest.raises(OutOfMemory, match=r"epoch 1, validation: 4 structures with 46 atoms"):
        train(tmp_path, Larger())


def test_other_errors_are_left_alone(tmp_path):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(tmp_path, Hungry(3, RuntimeError("shapes cannot be multiplied")), batch_size=4)


@pytest.mark.parametrize(("room", "expected"), [(1, 1), (3, 2), (5, 4), (100, 10)])
def test_the_dry_run_doubles_the_batch_until_it_does_not_fit(tmp_path, monkeypatch, room, expected):
    monkeypatch.setattr(memory, "free_memory", lambda device: 1e15)
    problem = Hungry(room)
    before = {name: value.clone() for name, value in problem.network.state_dict().items()}
    found = memory.find_batch_size(problem, Objective(problem, "32"), 1, torch.device("cpu"))
    assert found == expected
    sizes = [len(indices) for indices in problem.tried]
    assert sizes == [1, 2, 4, 8, 10][: len(sizes)]
    assert problem.tried[0] == [9]  # the largest first
    assert all(torch.equal(before[name], value) for name, value in problem.network.state_dict().items())
    assert all(weight.grad is None for weight in problem.network.parameters())


def test_the_dry_run_stops_where_the_memory_of_a_cpu_would_not_do(monkeypatch):
    """0.1 GB per structure and 1 GB free: 4 structures fit, and the growth says that 8 would not."""
    peaks = iter([1.0, 1.1, 1.1, 1.2, 1.2, 1.4])
    monkeypatch.setattr(memory, "peak_memory", lambda device: int(next(peaks) * 1e9))
    monkeypatch.setattr(memory, "free_memory", lambda device: 0.9e9)
    problem = Hungry(100)
    assert memory.find_batch_size(problem, Objective(problem, "32"), 1, torch.device("cpu")) == 4


def test_not_one_structure_fits(monkeypatch):
    problem = Hungry(0)
    with pytest.raises(OutOfMemory, match=r"'auto', dry run: 1 structures with 19 atoms .* smaller structures"):
        memory.find_batch_size(problem, Objective(problem, "32"), 1, torch.device("cpu"))


def test_the_size_that_was_found_is_kept_for_a_resumed_run(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: 1e15)
    first = train(tmp_path, Hungry(5), batch_size="auto")
    assert first.results["batch_size"] == 4
    assert load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT)["batch_size"] == 4
    state = load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT)
    assert state["epoch"] == 1
    again = Hungry(2)  # now there is less room, but the run is what it was
    assert train(tmp_path, again, batch_size="auto").results["batch_size"] == 4
    assert again.tried == []


def test_free_memory_is_that_of_this_machine():
    free = memory.free_memory(torch.device("cpu"))
    assert 2**20 < free < 2**50
    held = memory.peak_memory(torch.device("cpu"))
    assert 2**26 < held < 2**45  # torch alone takes more than 64 MB
