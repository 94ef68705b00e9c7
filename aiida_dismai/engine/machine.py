"""Task ``check``: what a job finds on its machine, which a login node cannot tell."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any, Literal

from pydantic import Field

from .context import Context
from .parameters import Parameters


class CheckParameters(Parameters):
    """Parameters of the task ``check``."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="device; auto uses a GPU if there is one")


def run(context: Context, parameters: CheckParameters) -> dict[str, Any]:
    """Return device and GPUs, cores, free disk space (GB) and clock (seconds since 1970) of the machine.

    Raises:
        BadInput: a GPU is asked for, and there is none.
    """
    return _torch(parameters.device) | {
        "cores": context.cores or len(os.sched_getaffinity(0)),
        "free_disk_gb": shutil.disk_usage(context.folder).free / 1e9,
        "clock": time.time(),
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _torch(device: str) -> dict[str, Any]:
    """Return what torch finds; nothing of it where it is not installed."""
    try:
        import torch
    except ImportError:
        return {"device": "cpu", "gpus": [], "torch": False}
    from .device import choose_device

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"device": choose_device(device), "gpus": names, "torch": True}
