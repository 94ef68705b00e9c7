"""Run a command and, however it ends, end everything that it started, daemons too.

    python guard.py COMMAND …

Daemons leave their parent and become children of the nearest ancestor that takes them, which is this process. So what
is below it when the command has ended was left behind: by tests that were killed, or that did not clean up.

The command gets a new folder in DISMAI_SERVICES, which is removed at the end. The exit status is the command's, or 1
where a command that succeeded left something running. Only the standard library is used.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

SUBREAPER, DEATH_SIGNAL = 36, 1
#: How long the command may take to end when it is interrupted, and each process that is left after it.
PATIENCE, GRACE = 90.0, 10.0


def main(command: list[str]) -> int:
    """Run the command; see the module."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(SUBREAPER, 1, 0, 0, 0) != 0:
        print("guard: this system does not let a process adopt what its children leave", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="dismai-services-"))
    folder.chmod(0o755)  # services run as users of their own
    interrupted = []

    def interrupt(number: int, _: object) -> None:
        interrupted.append(time.monotonic())
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)

    def with_us() -> None:
        os.setpgid(0, 0)
        libc.prctl(DEATH_SIGNAL, signal.SIGINT, 0, 0, 0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    environment = os.environ | {"DISMAI_SERVICES": str(folder)}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=with_us)
    try:
        while (status := collect(process.pid)) is None:
            if interrupted and time.monotonic() - interrupted[0] > PATIENCE:
                process.kill()
            time.sleep(0.2)
        left = end_all()
        if left:
            print(f"guard: left running and ended: {', '.join(left)}", file=sys.stderr)
        return status or (1 if left else 0)
    finally:
        end_all()
        shutil.rmtree(folder, ignore_errors=True)


def collect(wanted: int | None = None) -> int | None:
    """Take leave of all children that have ended; returns the exit status of one of them, None if it still runs."""
    status = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == wanted:
                code = os.waitstatus_to_exitcode(ended[1])
                status = code if code >= 0 else 128 - code
    return status


def end_all() -> list[str]:
    """End every process below this one; returns their names."""
    names: list[str] = []
    started = time.monotonic()
    while below := descendants():
        sent = signal.SIGTERM if time.monotonic() - started < GRACE else signal.SIGKILL
        for pid, name in below.items():
            if f"{name} ({pid})" not in names:
                names.append(f"{name} ({pid})")
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sent)
        time.sleep(0.2)
    return names


def descendants() -> dict[int, str]:
    """Return the names of the processes below this one by their numbers."""
    collect()
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, IndexError):
                head, _, rest = (folder / "stat").read_text().rpartition(")")
                state, parent = rest.split()[:2]
                if state not in "ZX":
                    parents[int(folder.name)] = (int(parent), head.partition("(")[2])
    found: dict[int, str] = {}
    level = {os.getpid()}
    while level:
        level = {pid for pid, (parent, _) in parents.items() if parent in level}
        found |= {pid: parents[pid][1] for pid in level}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
