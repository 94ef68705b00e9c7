"""Bounds on what a reader may take."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bounded(seconds: int, megabytes: int) -> Iterator[None]:
    """Fail instead of hanging or filling the memory: an alarm, and a bound on what is allocated in addition."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not read within {seconds} s")

    with open("/proc/self/statm") as handle:
        used = int(handle.read().split()[0]) * resource.getpagesize()
    old = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
