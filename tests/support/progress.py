"""Jobs with a progress file."""

from __future__ import annotations

import json

from aiida import orm
from aiida.common.links import LinkType


def finished_job(computer: orm.Computer, content: bytes) -> orm.CalcJobNode:
    """Return a job that has left a progress file."""
    node = orm.CalcJobNode(computer=computer, process_type="aiida.calculations:dismai.relax").store()
    retrieved = orm.FolderData()
    retrieved.base.repository.put_object_from_bytes(content, "progress.jsonl")
    retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
    retrieved.store()
    return node


def running_job(computer: orm.Computer, folder: object) -> orm.CalcJobNode:
    """Return a job that runs in a folder of the computer."""
    node = orm.CalcJobNode(computer=computer, process_type="aiida.calculations:dismai.relax").store()
    node.set_remote_workdir(str(folder))
    return node


def line(index: int) -> bytes:
    """Return a line as tasks write it."""
    return json.dumps({"time": 0, "stage": "train", "done": index, "total": 9, "loss": 0.5}).encode()
