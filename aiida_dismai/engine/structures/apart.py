"""Reading with libraries of others in a process of its own, with a bound on memory and time.

Their readers believe what a header says and take whatever time and memory that needs. What they may take here grows
with the size of the file and with nothing else; what wants more is refused.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..text import visible
from ..untrusted import read_object
from .container import StructureSet
from .set_npz import from_bytes, to_bytes
from .source import open_bytes

#: Memory beside that of the libraries themselves: bytes, and bytes for each byte of the file.
MEMORY, MEMORY_PER_BYTE = 256 * 2**20, 24
#: Time on the processor: seconds, and seconds for each byte of the file.
SECONDS, SECONDS_PER_BYTE = 4.0, 4e-6
#: A process that only waits is ended after so many times its time on the processor.
PATIENCE = 20
#: The bounds of a compressed file are those of so many times its size, or of what it unpacks to if that is less.
TYPICAL_RATIO = 12


def read_apart(path: Path, form: str) -> StructureSet:
    """Read a file of structures in another process.

    Args:
        path: of the file.
        form: ``cif``, or the name of one of ASE's formats.

    Raises:
        BadInput: as the reader says, or it needs more memory or time than a file of this size may take.
    """
    size = _size(path)
    memory, seconds = int(MEMORY + MEMORY_PER_BYTE * size), SECONDS + SECONDS_PER_BYTE * size
    order = json.dumps([os.fspath(path.absolute()), os.fspath(path), form, memory, seconds])
    # threads of BLAS would reserve memory of their own
    quiet = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONSAFEPATH"), "1")
    try:
        run = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=order.encode(),
            capture_output=True,
            timeout=PATIENCE * seconds,
            env=os.environ | quiet | {"PYTHONPATH": os.pathsep.join(item for item in sys.path if item)},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadInput(_too_much(path, form, memory, seconds)) from error
    if run.returncode == 0 and run.stdout.startswith(b"PK"):
        return from_bytes(run.stdout)
    try:
        reason = str(read_object(run.stdout, form)["refused"])
    except (BadInput, KeyError):
        reason = ""
    raise BadInput(reason or _too_much(path, form, memory, seconds))


def _size(path: Path) -> int:
    """Return for how many bytes of text the bounds are."""
    stored = path.stat().st_size
    most, found = TYPICAL_RATIO * stored, 0
    with open_bytes(path) as handle:
        if not isinstance(getattr(handle, "raw", None), io.FileIO):
            while found < most and (content := handle.read(2**20)):
                found += len(content)
            return min(found, most)
    return stored


def _too_much(path: Path, form: str, memory: int, seconds: float) -> str:
    return (
        f"{visible(path)}: not readable as {form} with {memory // 2**20} MB of memory and {seconds:.0f} s, much for "
        "a file of its size: it is damaged, or says that it holds more than it does; convert it to extxyz"
    )


def _bound(memory: int, seconds: float) -> None:
    """Let this process take so much more memory and time."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").is_file() else 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory,
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime + seconds) + 1,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        if kind == resource.RLIMIT_AS and not pages:  # without /proc it is not known what is in use
            continue
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, hard))


def main() -> int:
    """Read what standard input asks for; write the structures, or why there are none, to standard output."""
    path, shown, form, memory, seconds = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not belong to the answer
    reader: Any
    if form == "cif":
        from .cif import read_here

        reader = read_here
    else:
        from .foreign import reader_of

        reader = reader_of(form)
    try:
        _bound(memory, seconds)
        content = to_bytes(reader(Path(path), shown))
    except (BadInput, MemoryError) as error:
        text = str(error) if isinstance(error, BadInput) else ""
        content = json.dumps({"refused": text or _too_much(Path(shown), form, memory, seconds)}).encode()
    answer.write(content)
    answer.close()
    return 0


if __name__ == "__main__":
    # nothing is torn down: what a reader left behind may be large
    status = main()
    sys.stderr.flush()
    os._exit(status)
