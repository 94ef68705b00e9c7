"""Small things around services: ports, users, waiting, ending a process by the file that holds its number."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path


class ServiceError(RuntimeError):
    """A service did not come up; the message ends with the end of its log."""


def free_ports(number: int) -> list[int]:
    """Return so many free ports of the loopback interface, all different."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def is_open(port: int) -> bool:
    """Whether somebody listens at a port of the loopback interface."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def as_user(name: str, *command: str | Path) -> list[str]:
    """Return a command as root gives it to run as another user; the same command where we are not root."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    return ["setpriv", "--reuid", name, "--regid", name, "--init-groups", *words]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 300.0, logs: Sequence[Path] = ()) -> None:
    """Wait until a condition holds.

    Raises:
        ServiceError: it does not within the time; with the last lines of the logs.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ServiceError("\n".join([f"{what}: not within {seconds:.0f} s", *map(last_lines, logs)]))
        time.sleep(0.1)


def last_lines(path: Path, number: int = 20) -> str:
    """Return the name of a log and its last lines."""
    text = path.read_text(errors="replace") if path.is_file() else "(no such file)"
    return "\n".join([f"--- {path.name}", *text.splitlines()[-number:]])


def pid_in(path: Path) -> int | None:
    """Return the number of a running process in the first line of a file; None where there is none."""
    with suppress(OSError, ValueError, IndexError):
        pid = int(path.read_text().split()[0])
        if is_running(pid):
            return pid
    return None


def is_running(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def end(pid: int | None, number: int = signal.SIGTERM, seconds: float = 15.0) -> None:
    """End a process and wait for it; SIGKILL after so many seconds."""
    if pid is None:
        return
    for sent in (number, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, sent)
        last = time.monotonic() + seconds
        while is_running(pid) and time.monotonic() < last:
            time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes below one, nearest first."""
    parents: dict[int, list[int]] = {}
    for child, parent in _processes():
        parents.setdefault(parent, []).append(child)
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for one in level for child in parents.get(one, [])]
        found += level
    return found


def _processes() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, IndexError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    yield int(folder.name), int(parent)
