"""S9, S10: of progress files the ends are read, and of these the lines that a task writes."""

import io
from functools import partial

import pytest
from support.progress import finished_job, line

from aiida_dismai.calculations.progress import HEAD, TAIL, ends, progress_lines
from aiida_dismai.cli.status import describe_progress


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
