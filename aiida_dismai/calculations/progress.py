"""The progress files of jobs, finished or running.

A file grows with every step, and a job may write what it likes: of a file, its beginning and its end are read, and of
these the lines that are what a task writes.
"""

from __future__ import annotations

import shlex
from typing import Any, BinaryIO

from ..engine.errors import BadInput
from ..engine.task import PROGRESS
from ..engine.untrusted import LINE, read_object

#: Bytes that are read of the beginning and of the end of a file, and at once.
HEAD = 64 * 2**10
TAIL = 128 * 2**10
PIECE = 2**20


def progress_lines(node: Any) -> list[dict[str, Any]]:
    """Return the first and the last lines of a job's ``progress.jsonl``, oldest first; none where there is no file.

    A finished job's file is read from its retrieved files, a running one's end from its folder on the computer.
    """
    found = _retrieved(node)
    if found is not None:
        head, tail, _ = found
    elif not node.is_terminated:
        try:
            with node.get_authinfo().get_transport() as transport:
                head, tail = b"", remote_end(node, transport)
        except (OSError, ValueError):
            return []
    else:
        return []
    lines = []
    for part in (head, tail):
        for line in part.splitlines():
            try:
                lines.append(read_object(line, PROGRESS, LINE))
            except BadInput:
                continue  # the last line of a running job may be half written, and so the first one of an end
    return lines


def progress_size(node: Any) -> int:
    """Return the length of all whole lines of a job that has ended, bytes; it grows with every step."""
    found = _retrieved(node)
    if found is None:
        return 0
    head, tail, size = found
    end = tail or head
    return size - (len(end) - 1 - end.rfind(b"\n"))


def ends(handle: BinaryIO) -> tuple[bytes, bytes, int]:
    """Return the beginning of a file, its end without what is in the beginning, and its length.

    The file is read through, because files of AiiDA's repository may be compressed and then know no other way.
    """
    head, tail, size = b"", b"", 0
    while piece := handle.read(PIECE):
        size += len(piece)
        if len(head) < HEAD:
            taken = HEAD - len(head)
            head, piece = head + piece[:taken], piece[taken:]
        tail = (tail + piece)[-TAIL:]
    if len(tail) < TAIL:
        return head + tail, b"", size  # all of it: the line at the seam is whole
    return head, tail, size


def _retrieved(node: Any) -> tuple[bytes, bytes, int] | None:
    from aiida.common.exceptions import NotExistent

    try:
        with node.outputs.retrieved.base.repository.open(PROGRESS, "rb") as handle:
            return ends(handle)
    except (NotExistent, AttributeError, KeyError, OSError):
        return None


def remote_end(node: Any, transport: Any) -> bytes:
    """Return the end of the file on the computer; nothing where the folder or the file is not there (yet)."""
    folder = node.get_remote_workdir()
    if folder is None:
        return b""
    path = shlex.quote(f"{folder}/{PROGRESS}")
    # texts, for there are transports that give no bytes; what tasks write is ASCII
    # no link, which may lead to any file; and a file that grows faster than it is read has an end all the same
    status, output, _ = transport.exec_command_wait(
        f"test -f {path} && test ! -h {path} && tail -c {TAIL} {path} | head -c {TAIL}"
    )
    return str(output).encode() if status == 0 else b""
