"""The losses of a batch at the precision asked for, as one module that Lightning can distribute."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...errors import BadInput
from .parameters import DescentParameters
from .problem import Problem


class Objective(nn.Module):
    """A problem's network with its losses around it.

    Distributed data parallelism sees one module with one ``forward``, whatever the losses do with the network.
    """

    def __init__(self, problem: Problem, precision: str) -> None:
        """Keep the problem; its network becomes a submodule."""
        super().__init__()
        self.network = problem.network
        self.problem = problem
        self.bf16 = precision == "bf16"

    def forward(
        self, indices: Sequence[int], validation: bool, epoch: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the losses of a batch; of an empty one a zero that all weights have their part in."""
        if not len(indices):
            return {"loss": torch.stack([weight.sum() * 0.0 for weight in self.network.parameters()]).sum()}
        device = next(self.network.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            losses = self.problem.losses(self.network, indices, validation, epoch, generator)
        return {name: value.float() if self.bf16 else value for name, value in losses.items()}


def check_device(parameters: DescentParameters, device: str) -> None:
    """Refuse options that the device does not have.

    Raises:
        BadInput: TensorFloat-32 without such a GPU, or torch.compile without a compiler.
    """
    if parameters.precision == "tf32" and not (device == "cuda" and torch.cuda.get_device_capability() >= (8, 0)):
        raise BadInput("precision: 'tf32' needs an NVIDIA GPU of compute capability 8.0; give '32' or 'bf16'")
    if parameters.compile:
        if device == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))):
            raise BadInput(
                "compile: torch.compile needs a C++ compiler on a CPU, and neither g++ nor clang++ is on the PATH; "
                "install one, name it in CXX, or leave 'compile' off"
            )
        if device == "cuda" and importlib.util.find_spec("triton") is None:
            raise BadInput("compile: torch.compile needs triton on a GPU; install it or leave 'compile' off")
