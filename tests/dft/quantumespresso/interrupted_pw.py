"""Runs pw.x and kills it when it has printed a text for the n-th time: `interrupted_pw.py PW TEXT N ARGUMENTS…`."""

import subprocess
import sys

program, text, times, *arguments = sys.argv[1:]
left = int(times)
with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as process:
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        left -= text in line
        if left <= 0:
            process.kill()
            sys.exit(137)
