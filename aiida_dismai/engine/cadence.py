"""When a long run saves and reports: asked at every step, it keeps the clocks. When to stop says the context."""

from __future__ import annotations

import math
import time


class Cadence:
    """The clocks of one run.

    Args:
        save_seconds: from one checkpoint to the next; 0 is at every step.
        report_seconds: from one line of progress to the next; the first step is reported.
    """

    def __init__(self, save_seconds: float = math.inf, report_seconds: float = 0.0) -> None:
        self.started = self._saved = time.monotonic()
        self._reported = -math.inf
        self._intervals = save_seconds, report_seconds

    def save(self, due: bool = False) -> bool:
        """Whether to write a checkpoint now: because it is due (an epoch has ended), or the time has passed."""
        now = time.monotonic()
        if not (due or now - self._saved >= self._intervals[0]):
            return False
        self._saved = now
        return True

    def report(self, due: bool = False) -> bool:
        """Whether to write a line of progress now."""
        now = time.monotonic()
        if not (due or now - self._reported >= self._intervals[1]):
            return False
        self._reported = now
        return True

    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.started
