"""A small problem for the training loop, in a module that other processes can import."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from aiida_dismai.engine.generators.training.randomness import seeded_weights

#: State of a socket in the tables of Linux.
LISTENING = "0A"


class Regression:
    """Learn the sum of three numbers from noisy ones; the tenth structure may bring trouble."""

    monitor = "square"

    def __init__(self, n=10, n_validation=4, trouble=None):
        random = torch.Generator().manual_seed(3)
        self.inputs = {False: torch.randn(n, 3, generator=random), True: torch.randn(n_validation, 3, generator=random)}
        self.n_training, self.n_validation, self.trouble = n, n_validation, trouble
        with seeded_weights(1):
            self.network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1))
            self.network.unused = nn.Parameter(torch.ones(2))
        self.drawn = []

    def n_atoms(self, indices, validation):
        return sum(10 + index for index in indices)

    def losses(self, network, indices, validation, epoch, generator):
        indices = list(indices)
        x = self.inputs[validation][indices]
        noise = 0.1 * torch.randn(x.shape, generator=generator)
        self.drawn.append((epoch, validation, tuple(indices), float(noise[0, 0])))
        square = ((network(x + noise) - x.sum(dim=1, keepdim=True)) ** 2).mean()
        if self.trouble is not None and 9 in indices and not validation and epoch == 1:
            square = self.trouble(square)
        return {"loss": 2 * square, "square": square}


def make_infinite(loss):
    return loss * float("inf")


def spoil_gradient(loss):
    """The loss stays finite, its gradient does not: the square root of zero."""
    return loss + torch.sqrt(loss - loss.detach())


def write_listeners(loss):
    """Write down, in the folder that the environment names, the addresses at which this process listens."""
    inodes = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            inodes.add(link.readlink().name.removeprefix("socket:[").removesuffix("]"))
    found = []
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING and words[9] in inodes:
                found.append(words[1].partition(":")[0])
    Path(os.environ["WRITE_LISTENERS"], f"{os.getpid()}.json").write_text(json.dumps(found))
    return loss
