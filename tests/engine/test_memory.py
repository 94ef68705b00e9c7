"""One recogniser of memory for CUDA, torch on a CPU, numpy, C++ and the system."""

import errno

import numpy as np
import pytest
import torch

from aiida_dismai.engine.errors import BadInput, OutOfMemory
from aiida_dismai.engine.memory import first_line, is_out_of_memory, naming


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 4.55 PiB for an array with shape (1000000000000, 640)"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OutOfMemory("a batch did not fit"),
        caused(ValueError("the calculator failed"), MemoryError()),
    ],
)
def test_memory_that_ran_out_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x3 and 4x3)"),
        ValueError("out of memory is no element"),
        OSError(errno.ENOSPC, "No space left on device"),
        KeyError("memory"),
        BadInput("unable to allocate"),
        RecursionError("maximum recursion depth exceeded"),
    ],
)
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)


def test_real_allocations_that_no_machine_has():
    for allocate in (lambda: torch.empty(2**50), lambda: np.empty(2**55)):
        with (
            pytest.raises(OutOfMemory, match=r"^frame 3 does not fit \(.+\); take less$"),
            naming("frame 3 does not fit", "take less"),
        ):
            allocate()


def test_an_error_that_says_so_already_is_passed_on():
    with pytest.raises(OutOfMemory, match=r"^inner$"), naming("outer", "less"):
        raise OutOfMemory("inner")
    with pytest.raises(ZeroDivisionError), naming("outer", "less"):
        raise ZeroDivisionError


def test_only_the_first_line_is_said():
    assert first_line(RuntimeError("CUDA out of memory.\nSee documentation\n")) == "CUDA out of memory."
    assert first_line(MemoryError()) == "no memory is left"
