"""Batches that do not fit: one error that names them, and a dry run that finds the size that does."""

from __future__ import annotations

import gc
import os
import resource
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from ...errors import BadInput, OutOfMemory
from ...memory import naming
from .objective import Objective
from .problem import Problem
from .randomness import DRY_RUN, stream

#: Share of the free memory that a dry run may fill: training also needs the optimiser's state and fragments.
SHARE = 0.8


def named_batch(where: str, n_structures: int, n_atoms: int) -> AbstractContextManager[None]:
    """Turn an error of memory inside into one that names the batch.

    Raises:
        OutOfMemory: where, how many structures and atoms, and what to do.
    """
    advice = "a smaller batch_size" if n_structures > 1 else "smaller structures or a smaller network"
    return naming(
        f"{where}: {n_structures} structures with {n_atoms} atoms do not fit into the memory",
        f"{advice} may help, 'accumulate' keeps the structures per step",
    )


def find_batch_size(problem: Problem, objective: Objective, seed: int, device: torch.device) -> int:
    """Double the batch until the memory or the training set is full; no weight changes.

    The largest structures are tried, so that no batch of training is larger. On a CPU, where running out of memory
    may end the process, the growth of the process from one size to the next bounds the size that is tried.

    Raises:
        OutOfMemory: not one structure fits.
    """
    atoms = [problem.n_atoms([index], False) for index in range(problem.n_training)]
    largest = sorted(range(problem.n_training), key=lambda index: (-atoms[index], index))
    size, found = 1, 0
    while True:
        chosen = largest[:size]
        free = free_memory(device)
        before = peak_memory(device)
        try:
            with named_batch("batch_size 'auto', dry run", size, sum(atoms[index] for index in chosen)):
                objective(chosen, False, 0, stream(seed, DRY_RUN, size))["loss"].backward()
        except OutOfMemory:
            if not found:
                raise
            break
        finally:
            objective.zero_grad(set_to_none=True)
        used = peak_memory(device) - before
        if found and used > SHARE * free:
            break
        found = size
        # on a CPU the peak only grows by what the last size had not needed yet; the next one needs twice as much more
        if size == problem.n_training or (device.type == "cpu" and 4 * used > SHARE * free):
            break
        size = min(2 * size, problem.n_training)
    if device.type == "cuda":
        gc.collect()  # the error that ended the search still holds the batch that was too large
        torch.cuda.empty_cache()
    return found


def free_memory(device: torch.device) -> float:
    """Return the bytes that a process can still get on a device."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    free = float("inf")
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        free = 1024.0 * float(lines["MemAvailable"].split()[0])
    # the limit of a container or of a batch system's job, which the machine's own numbers do not show
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
        free = min(free, float(limit.read_text()) - float(used.read_text()))
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        free = min(free, soft - pages * os.sysconf("SC_PAGE_SIZE"))
    if free == float("inf"):
        raise BadInput("batch_size: 'auto' cannot determine how much memory is free here; give a number")
    return max(free, 0.0)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that the process has held so far, on a GPU those of torch."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would begin with what the process that started this one has held
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
