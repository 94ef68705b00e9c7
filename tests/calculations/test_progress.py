"""Progress files: what is read of them is bounded, and what a task does not write is left out."""

import io
from functools import partial

import pytest
from aiida import orm
from support.progress import finished_job, line

from aiida_dismai.calculations.progress import HEAD, TAIL, ends, progress_lines, progress_size
from aiida_dismai.cli.status import last_progress


@pytest.fixture
def job(aiida_profile_clean, aiida_localhost):
    """Return a function that makes a finished job with a progress file."""
    return partial(finished_job, aiida_localhost)


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
