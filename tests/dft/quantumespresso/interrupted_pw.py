"""Runs pw.x and interrupts it when it has printed a text for the n-th time.

    interrupted_pw.py HOW ONCE PW TEXT N ARGUMENTS…

HOW is `kill`, or `late`: pw.x is given few seconds (`max_seconds`), and held until these are over. ONCE is a file that
is written when it has happened, after which it does not happen again; `-` is none.
"""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Seconds after which a late pw.x is to end by itself: enough for its first step.
LIMIT = 4.0

how, once, program, text, times, *arguments = sys.argv[1:]
left = int(times)
if once != "-" and Path(once).exists():
    left = -1  # never
elif how == "late":
    given = Path(arguments[arguments.index("-in") + 1])
    changed, count = re.subn(r"max_seconds\s*=.*", f"max_seconds = {LIMIT}", given.read_text())
    assert count == 1
    given.write_text(changed)
started = time.monotonic()
with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as process:
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        left -= text in line
        if left == 0:
            left = -1
            if once != "-":
                Path(once).touch()
            if how == "kill":
                process.kill()
                sys.exit(137)
            process.send_signal(signal.SIGSTOP)
            time.sleep(max(0.0, started + LIMIT + 0.5 - time.monotonic()))
            process.send_signal(signal.SIGCONT)
sys.exit(process.returncode)
