"""One process or several: who computes which part of a step, and how gradients and sums are joined."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from ... import errors
from ...context import Context
from ...errors import BadInput, DismaiError, NotTheFirstProcess
from ...files import write_json
from ...memory import naming
from ...untrusted import read_object
from .parameters import DescentParameters
from .problem import Problem

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Worker(Protocol):
    """One of the processes that train together.

    Attributes:
        rank: from 0.
        world: how many there are.
        first: whether it is the one that writes.
        device: of this process.
    """

    rank: int
    world: int
    first: bool
    device: torch.device

    def distribute(self, module: nn.Module) -> nn.Module:
        """Return the module so that a backward pass averages the gradients of all processes."""
        ...

    def adding(self, module: nn.Module, more: bool) -> AbstractContextManager[Any]:
        """Inside, gradients are added up and not averaged yet when there is ``more`` to come."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        ...

    def smallest(self, value: int) -> int:
        """Return the smallest value of all processes."""
        ...

    def agree(self, flag: bool) -> bool:
        """Return what the first process says."""
        ...


class Alone:
    """The only process."""

    rank, world, first = 0, 1, True

    def __init__(self, device: torch.device) -> None:
        """Compute on this device."""
        self.device = device

    def distribute(self, module: nn.Module) -> nn.Module:
        """Return the module itself."""
        return module

    def adding(self, module: nn.Module, more: bool) -> AbstractContextManager[Any]:
        """Gradients add up by themselves."""
        return nullcontext()

    def sum(self, values: Tensor) -> Tensor:
        """Return the values."""
        return values

    def smallest(self, value: int) -> int:
        """Return the value."""
        return value

    def agree(self, flag: bool) -> bool:
        """Return the flag."""
        return flag


class Member:
    """One of several processes, joined by Lightning's Fabric with distributed data parallelism."""

    def __init__(self, fabric: Fabric) -> None:
        """Take a launched Fabric."""
        self.fabric = fabric
        self.rank, self.world = fabric.global_rank, fabric.world_size
        self.first = self.rank == 0
        self.device = fabric.device

    def distribute(self, module: nn.Module) -> nn.Module:
        """Wrap the module."""
        return self.fabric.setup_module(module)

    def adding(self, module: nn.Module, more: bool) -> AbstractContextManager[Any]:
        """Leave out the averaging while there is more to come."""
        return self.fabric.no_backward_sync(module, enabled=more)  # type: ignore[arg-type]

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        total = self.fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def smallest(self, value: int) -> int:
        """Return the smallest value of all processes."""
        return int(self.fabric.all_gather(torch.tensor(value, device=self.device)).min())  # type: ignore[union-attr]

    def agree(self, flag: bool) -> bool:
        """Return what the first process says."""
        # a number, not an object: those are sent as pickles, which run code where they arrive
        said = torch.tensor(float(flag and self.first), device=self.device)
        agreed = self.fabric.all_reduce(said, reduce_op="max")
        return bool(agreed)


#: Does one process's part of the training of problems, one after another; returns the scalars.
Train = Callable[[Worker, Sequence[Problem], Any, Context], dict[str, Any]]


def run_on_devices(
    train: Train, problems: Sequence[Problem], parameters: DescentParameters, context: Context, device: str
) -> dict[str, Any]:
    """Call ``train`` in every process; return what it returned in the first one.

    Raises:
        BadInput: more devices than there are.
    """
    outside = launched_processes() > 1
    if device == "cuda" and torch.cuda.device_count() < parameters.devices:
        raise BadInput(
            f"devices: {parameters.devices} are asked for, torch finds {torch.cuda.device_count()} GPUs here"
        )
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import LightningEnvironment
    from lightning.fabric.strategies import DDPStrategy

    from .one_machine import OneMachine, keep_to_loopback

    # a model may leave weights unused for some epochs (a head that is not trained), so unused ones are looked for
    make = partial(Fabric, accelerator=device, devices=parameters.devices, num_nodes=parameters.num_nodes)
    if outside:
        if parameters.num_nodes == 1:
            keep_to_loopback()
        fabric = make(strategy=DDPStrategy(find_unused_parameters=True))
        fabric.launch()
        results = train(Member(fabric), problems, parameters, context)
        fabric.barrier()
        if fabric.global_rank:
            raise NotTheFirstProcess(0)
        return results
    with tempfile.TemporaryDirectory() as folder:
        strategy = OneMachine(Path(folder) / "meeting", start_method="spawn", find_unused_parameters=True)
        fabric = make(strategy=strategy, plugins=[LightningEnvironment()])
        answer = Path(folder) / "answer.json"
        # the watcher is a function of this process; progress.jsonl has its lines too
        try:
            fabric.launch(partial(_work, train, problems, parameters, replace(context, watch=None), answer))
        except Exception:
            _raise_again(answer)
            raise
        return dict(read_object(answer)["results"])


def check_launcher(parameters: DescentParameters) -> None:
    """Refuse a launcher that has started another number of processes than there are devices.

    Raises:
        BadInput: so, or several nodes without a launcher.
    """
    launched, wanted = launched_processes(), parameters.devices * parameters.num_nodes
    if launched not in (1, wanted):
        raise BadInput(
            f"srun or torchrun has started {launched} processes, but devices × num_nodes is {wanted}: start as many "
            "tasks as devices, or one task where num_nodes is 1"
        )
    if parameters.num_nodes > 1 and launched == 1:
        raise BadInput(
            f"num_nodes: {parameters.num_nodes} nodes need a process per device, started by srun (with as many tasks "
            "per node as devices) or torchrun; give num_nodes 1 or start the job so"
        )


def launched_processes() -> int:
    """Return how many processes srun or torchrun has started beside and with this one; 1 without such a launcher.

    A batch script has the variables of its job but none of a step, and is one process however many tasks the job has.
    """
    name = "WORLD_SIZE" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_STEP_NUM_TASKS"
    return int(os.environ.get(name, "1"))


def _work(
    train: Train,
    problems: Sequence[Problem],
    parameters: DescentParameters,
    context: Context,
    answer: Path,
    fabric: Fabric,
) -> None:
    """Do one process's part; leave its results, or the error that ended it, in a file for the process that waits."""
    # tensors reach the processes through shared memory: data may stay there, weights are changed by each process
    for problem in problems:
        problem.network = copy.deepcopy(problem.network)
    try:
        with naming("one of the devices is out of memory", "a smaller batch_size may help"):
            results = train(Member(fabric), problems, parameters, context)
    except DismaiError as error:
        write_json(answer, {"error": type(error).__name__, "message": str(error)})
        raise
    if fabric.global_rank == 0:
        write_json(answer, {"results": results})


def _raise_again(answer: Path) -> None:
    """Raise the error that a process left behind, as it was there."""
    if not answer.is_file():
        return
    found = read_object(answer)
    if "error" in found:
        raise getattr(errors, found["error"])(found["message"])
