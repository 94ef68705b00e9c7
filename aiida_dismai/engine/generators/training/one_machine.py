"""The processes of one machine that train together meet in a private file, and talk over the loopback interface.

torch would open a port for the meeting on all interfaces of the machine, to which anybody who reaches it could connect;
gloo and NCCL would take the interface of the machine's name.
"""

from __future__ import annotations

import atexit
import os
import socket
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.strategies import DDPStrategy

#: What gloo and NCCL read the name of the interface from.
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


def keep_to_loopback() -> None:
    """Let gloo and NCCL use the loopback interface, where the environment does not name another one."""
    names = {name for _, name in socket.if_nameindex()}
    for loopback in ("lo", "lo0"):
        if loopback in names:
            for variable in INTERFACES:
                os.environ.setdefault(variable, loopback)


class OneMachine(DDPStrategy):
    """Distributed data parallelism without a port for the meeting.

    Args:
        meeting: path of the file in which the processes meet, in a folder that nobody else can read; made by them.
        options: those of Lightning's strategy.
    """

    def __init__(self, meeting: Path, **options: Any) -> None:
        """Keep the path."""
        super().__init__(**options)
        self.meeting = meeting

    def _setup_distributed(self) -> None:
        self._set_world_ranks()
        keep_to_loopback()
        backend = self._get_process_group_backend()
        on_gpu = self.root_device.type != "cpu"
        torch.distributed.init_process_group(
            backend,
            init_method=self.meeting.absolute().as_uri(),
            rank=self.global_rank,
            world_size=self.num_processes,
            timeout=self._timeout,
            device_id=self.root_device if on_gpu else None,
        )
        if on_gpu:
            atexit.register(torch.distributed.destroy_process_group)
        super()._setup_distributed()  # finds the group and leaves it as it is
