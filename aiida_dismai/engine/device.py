"""Where torch computes; it is imported only when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import BadInput


def choose_device(wanted: str = "auto") -> str:
    """Return ``cuda`` when asked for ``auto`` and there is a GPU, else what was asked for.

    Raises:
        BadInput: ``cuda`` is asked for, and there is none.
    """
    if wanted == "cpu":
        return wanted
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise BadInput(
            "device: 'cuda' is requested, but torch finds no GPU here; give 'auto' or 'cpu', or ask the scheduler for "
            "a GPU and install torch with CUDA"
        )
    return "cuda" if available else "cpu"


def limit_threads(threads: int | None) -> None:
    """Give torch this many CPU threads; None leaves ``OMP_NUM_THREADS`` or torch's own choice."""
    if threads:
        import torch

        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)


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
