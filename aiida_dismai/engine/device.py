"""Where torch computes; it is imported only where it is needed, which takes seconds."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import BadInput

#: Devices of AMD's driver and of GPUs in Windows' subsystem; NVIDIA's is found by its library.
DRIVERS = ("/dev/kfd", "/dev/dxg")


def choose_device(wanted: str = "auto") -> str:
    """Return ``cuda`` when asked for ``auto`` and there is a GPU, else what was asked for.

    Raises:
        BadInput: ``cuda`` is asked for, and there is none.
    """
    if wanted == "cpu" or (wanted == "auto" and "torch" not in sys.modules and not has_driver()):
        return "cpu"
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise BadInput(
            "device: 'cuda' is requested, but torch finds no GPU here; give 'auto' or 'cpu', or ask the scheduler for "
            "a GPU and install torch with CUDA"
        )
    return "cuda" if available else "cpu"


def has_driver() -> bool:
    """Return whether there is a driver of a GPU, without which torch finds none; True on systems other than Linux."""
    if sys.platform != "linux" or any(map(os.path.exists, DRIVERS)):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def limit_threads(threads: int | None) -> None:
    """Give libraries this many CPU threads; None leaves ``OMP_NUM_THREADS`` or their own choice.

    Torch is given them if it is imported. Call it again after what may import it: not all builds of torch look at the
    environment then.
    """
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)


@contextmanager
def matrix_products(precision: str) -> Iterator[None]:
    """Let GPUs use TensorFloat-32 inside, if that is the precision; what was set before is put back."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
