"""Bounds on what a reader may take."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

#: Who waits for something that never comes is ended after so many times the seconds on the processor.
PATIENCE = 30


@contextmanager
def bounded(seconds: int, megabytes: int) -> Iterator[None]:
    """Fail instead of hanging or filling the memory: alarms, and a bound on what is allocated in addition.

    Args:
        seconds: on the processor; who only waits is ended after so many times as long, since other work on the machine
            does not count.
        megabytes: that are allocated.
    """

    def late(*_: object) -> None:
        raise TimeoutError(f"not read within {seconds} s on the processor")

    with open("/proc/self/statm") as handle:
        used = int(handle.read().split()[0]) * resource.getpagesize()
    old = resource.getrlimit(resource.RLIMIT_AS)
    handlers = [(kind, signal.signal(kind, late)) for kind in (signal.SIGALRM, signal.SIGPROF)]
    signal.alarm(PATIENCE * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for kind, handler in handlers:
            signal.signal(kind, handler)
