"""A real ``dismai run`` that is killed when it has come to a certain point."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_task(place: Path, task: str, parameters: dict[str, Any], **inputs: str) -> None:
    """Write ``task.json`` with the seed 1 in a folder that holds the inputs."""
    content = {"task": task, "seed": 1, "parameters": parameters, "inputs": inputs}
    (place / "task.json").write_text(json.dumps(content))


def run_and_kill(place: Path, point: Callable[[], bool]) -> None:
    """Run the task of a folder, or resume it, and kill it (SIGKILL) at the point; it must not end before."""
    process = subprocess.Popen([str(Path(sys.executable).with_name("dismai")), "run"], cwd=place)
    while not point():
        assert process.poll() is None
        time.sleep(0.005)  # waiting without rest costs as much as the task
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (place / "results.json").exists()
