"""Progress files: what is read of them is bounded, and what a task does not write is left out."""

import io
import json

import pytest
from aiida import orm
from aiida.common.links import LinkType

from aiida_dismai.calculations.progress import HEAD, TAIL, ends, progress_lines, progress_size
from aiida_dismai.cli.status import describe_progress, last_progress


@pytest.fixture
def job(aiida_profile_clean, aiida_localhost):
    """Return a function that makes a finished job with a progress file."""

    def make(content: bytes):
        node = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:dismai.relax").store()
        retrieved = orm.FolderData()
        retrieved.base.repository.put_object_from_bytes(content, "progress.jsonl")
        retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
        retrieved.store()
        return node

    return make


def line(index):
    return json.dumps({"time": 0, "stage": "train", "done": index, "total": 9, "loss": 0.5}).encode()


def test_all_lines_of_a_usual_file(job):
    node = job(b"\n".join(line(index) for index in range(100)) + b"\n" + line(100)[:20])
    assert [entry["done"] for entry in progress_lines(node)] == list(range(100))
    assert last_progress(node)["done"] == 99
    whole = sum(len(line(index)) + 1 for index in range(100))
    assert progress_size(node) == whole
    assert progress_size(job(b'{"half a li')) == 0
    assert progress_size(job(b"x" * 2**21 + b"\n" + line(1))) == 2**21 + 1


@pytest.mark.parametrize(
    "size", [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL - 1, HEAD + TAIL, HEAD + TAIL + 1, 2**20 + 7]
)
def test_the_ends_of_a_file(size):
    content = bytes(index % 251 for index in range(size))
    head, tail, length = ends(io.BytesIO(content))
    assert length == size
    if size < HEAD + TAIL:
        assert (head, tail) == (content, b"")
    else:
        assert (head, tail) == (content[:HEAD], content[-TAIL:])


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


@pytest.mark.parametrize(
    "odd",
    [b"[" * 50_000, b"NaN", b"[1]", b'"x"', b"\xff\xfe", b'{"loss": 1e999}', b'{"a": ' * 20, b'{"done": "\\ud800"}',
     b'{"done": 1' + b"0" * 4_000 + b"}"],
)  # fmt: skip
def test_s9_lines_that_no_task_writes_are_left_out(job, odd):
    assert [entry["done"] for entry in progress_lines(job(line(1) + b"\n" + odd + b"\n" + line(2)))] == [1, 2]


def test_the_end_of_a_running_jobs_file_is_fetched(aiida_profile_clean, aiida_localhost, tmp_path):
    aiida_localhost.configure()
    folder = tmp_path / "it's $(touch x) here"
    folder.mkdir()
    node = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:dismai.relax").store()
    node.set_remote_workdir(str(folder))
    assert progress_lines(node) == []
    (folder / "progress.jsonl").write_bytes(b"x" * 2**21 + b"\n" + line(7) + b"\n")
    assert [entry["done"] for entry in progress_lines(node)] == [7]
    (folder / "progress.jsonl").unlink()
    (folder / "progress.jsonl").mkdir()
    assert progress_lines(node) == []


def test_s10_what_a_job_says_is_text():
    told = describe_progress({"stage": "\x1b[2J" * 99, "done": [1], "total": None, "lo\nss": "\x9b1m", "b": True})
    assert told.isprintable()
    assert len(told) < 250
    assert r"lo\nss \x9b1m" in told
