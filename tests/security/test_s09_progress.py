"""S9, S10: of progress files the ends are read, and of these the lines that a task writes."""

import io
import json
import os
import shlex
import subprocess
from functools import partial

import pytest
from support.progress import finished_job, line, running_job

from aiida_dismai.calculations.progress import HEAD, TAIL, ends, progress_lines
from aiida_dismai.cli.status import describe_progress, summary_lines


@pytest.fixture
def job(aiida_profile_clean, aiida_localhost):
    """Return a function that makes a finished job with a progress file."""
    return partial(finished_job, aiida_localhost)


@pytest.mark.parametrize(
    "odd",
    [b"[" * 50_000, b"NaN", b"[1]", b'"x"', b"\xff\xfe", b'{"loss": 1e999}', b'{"a": ' * 20, b'{"done": "\\ud800"}',
     b'{"done": 1' + b"0" * 4_000 + b"}"],
)  # fmt: skip
def test_s9_lines_that_no_task_writes_are_left_out(job, odd):
    assert [entry["done"] for entry in progress_lines(job(line(1) + b"\n" + odd + b"\n" + line(2)))] == [1, 2]


def test_s10_what_a_job_says_is_text():
    told = describe_progress({"stage": "\x1b[2J" * 99, "done": [1], "total": None, "lo\nss": "\x9b1m", "b": True})
    assert told.isprintable()
    assert len(told) < 250
    assert r"lo\nss \x9b1m" in told


def test_exhaustion_a_file_of_hundreds_of_megabytes_is_read_at_its_ends(job):
    class Endless(io.RawIOBase):
        """300 MB that are nowhere."""

        left = 300 * 2**20

        def read(self, n=-1):
            taken = min(n, self.left)
            self.left -= taken
            return b"x" * taken

    head, tail, size = ends(Endless())
    assert (len(head), len(tail), size) == (HEAD, TAIL, 300 * 2**20)
    node = job(line(1) + b"\n" + b"x" * 2**21 + b"\n" + line(2))
    assert [entry["done"] for entry in progress_lines(node)] == [1, 2]


@pytest.fixture
def running(aiida_profile_clean, aiida_localhost, tmp_path):
    """A running job, and its folder."""
    aiida_localhost.configure()
    return running_job(aiida_localhost, tmp_path), tmp_path


def test_s14_the_progress_of_a_running_job_is_no_link(running):
    node, folder = running
    (folder / "elsewhere").write_bytes(line(3) + b"\n")
    (folder / "progress.jsonl").symlink_to(folder / "elsewhere")
    assert progress_lines(node) == []
    (folder / "progress.jsonl").unlink()
    os.mkfifo(folder / "progress.jsonl")
    assert progress_lines(node) == []  # and is not waited for
    (folder / "progress.jsonl").unlink()
    (folder / "progress.jsonl").symlink_to("/dev/zero")
    assert progress_lines(node) == []


@pytest.mark.parametrize(
    "odd",
    [b"x" * 2**20, b"\x1b[2J\x1b]0;owned\x07", b'{"stage": "\x1b[2J"}', b"[" * 50_000, b'{"done": NaN}', b"\0" * 999,
     b'{"a": "' + b"y" * 100_000 + b'"}', b'{"stage": "train", "stage": "x"}'],
)  # fmt: skip
def test_s9_s10_lines_of_a_running_job_are_those_of_a_task(running, odd):
    node, folder = running
    (folder / "progress.jsonl").write_bytes(odd + b"\n" + line(7) + b"\n" + odd[:1000])
    assert [entry["done"] for entry in progress_lines(node)] == [7]


def test_s10_the_tree_of_a_running_job_is_text(running):
    node, folder = running
    said = {"stage": "[red]\x1b[2J\u202e\nfinished <7>", "done": 1, "total": 2, "lo\x1bss": "[/]\r"}
    (folder / "progress.jsonl").write_text(json.dumps(said) + "\n")
    shown = summary_lines(node, everything=True)
    assert all(text.isprintable() for text in shown.splitlines())
    assert r"[red]\x1b[2J\u202e\nfinished" in " ".join(shown.split())


def test_exhaustion_a_file_that_grows_while_it_is_read_has_an_end(running):
    node, folder = running
    path = folder / "progress.jsonl"
    grow = f"while :; do head -c 4000000 /dev/zero | tr '\\\\0' '\\\\n' >> {shlex.quote(str(path))}; done"
    with subprocess.Popen(["bash", "-c", grow]) as growing:
        try:
            for _ in range(3):
                assert progress_lines(node) == []
                os.truncate(path, 0) if path.exists() else None
        finally:
            growing.kill()
