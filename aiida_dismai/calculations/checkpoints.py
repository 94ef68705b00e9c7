"""Whether a job left a checkpoint in its folder on the computer."""

from __future__ import annotations

import shlex
from typing import Any

from ..engine.task import CHECKPOINT


def has_checkpoint(node: Any) -> bool | None:
    """Whether a job that has ended left a checkpoint.

    Returns:
        None where the computer cannot be asked, or no longer knows the folder.
    """
    from aiida.common.exceptions import AiidaException

    if "remote_folder" not in node.outputs:
        return False
    path = shlex.quote(node.outputs.remote_folder.get_remote_path())
    # hidden files are what was being written; 3: the folder itself is gone
    command = f"cd {path} || exit 3; ls {CHECKPOINT}/* >/dev/null 2>&1"
    try:
        with node.get_authinfo().get_transport() as transport:
            status, _, _ = transport.exec_command_wait(command)
    except (AiidaException, OSError):
        return None
    return None if status == 3 else status == 0
