"""S8: results and outputs of jobs are bounded; what is not of a task ends with an exit code."""

import json
from functools import partial

import numpy as np
import pytest
from support.parsing import RECORD, codes, parse_left

from aiida_dismai.engine.structures import StructureSet, write_npz

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")


@pytest.fixture
def parse(quick_computer, tmp_path):
    """Return a function that parses what a job of ``dismai.relax`` left."""
    return partial(parse_left, quick_computer, tmp_path)


@pytest.fixture
def structures():
    return StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 4)


def hostile(**more):
    return json.dumps({**RECORD, **more}).encode()


S8 = {
    "NaN": hostile(score=float("nan")),
    "infinity": b'{"task": "relax", "status": "finished", "x": 1e999}',
    "dotted key": hostile(**{"a.b": 1}),
    "no key": hostile(**{"": 1}),
    "key twice": b'{"task": "relax", "status": "finished", "status": "failed"}',
    "deep lists": b'{"task": "relax", "status": "finished", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": b'{"task": "relax", "status": "finished", "x": ' + b'{"x":' * 50 + b"1" + b"}" * 51,
    "long number": b'{"task": "relax", "status": "finished", "x": ' + b"1" * 10_000 + b"}",
    "beyond 64 bits": hostile(x=2**64),
    "many values": b'{"task": "relax", "status": "finished", "x": [' + b"0," * 1_000_000 + b"0]}",
    "not UTF-8": b'{"task": "relax", "status": "finished", "x": "\xff"}',
    "UTF-16": json.dumps(RECORD).encode("utf-16"),
    "surrogate": b'{"task": "relax", "status": "finished", "x": "\\ud800"}',
    "NUL": b'{"task": "relax", "status": "finished", "x": "\\u0000"}',
    "empty": b"",
    "null": b"null",
    "text": b'"finished"',
    "status of a list": hostile(status=["finished"]),
    "status of an object": hostile(status={"finished": True}),
    "unknown status": hostile(status="done"),
    "task of a list": hostile(task=["relax"]),
    "error is text": hostile(status="failed", error="it broke"),
    "error is a list": hostile(status="failed", error=["it broke"]),
    "error of a number": hostile(status="failed", error={"kind": 3, "message": "x"}),
    "message is a list": hostile(status="failed", error={"kind": "bad_input", "message": ["x"]}),
    "kind is an object": hostile(status="failed", error={"kind": {"a": 1}, "message": "x"}),
    "finished with an error": hostile(error={"kind": "bad_input", "message": "x"}),
    "versions is a list": hostile(versions=["1.0"]),
    "timings of text": hostile(timings={"total": "long"}),
    "seed of text": hostile(seed="7"),
    "device of a list": hostile(device=[1]),
}  # fmt: skip


@pytest.mark.parametrize("name", S8)
def test_s8_every_other_record_is_unreadable(parse, structures, name):
    outputs, node = parse(S8[name], files={"structures.npz": structures})
    assert node.exit_status == codes().ERROR_RESULTS_UNREADABLE.status, node.exit_message
    assert len(node.exit_message) < 600
    assert "results" not in outputs


def test_s8_a_folder_in_the_place_of_the_results(parse):
    _, node = parse(results_name="results.json/inside")
    assert node.exit_status == codes().ERROR_RESULTS_UNREADABLE.status


def test_s8_a_file_too_large_is_not_read(parse):
    _, node = parse(b'{"x": "' + b"a" * (17 * 2**20) + b'"}')
    assert node.exit_status == codes().ERROR_RESULTS_UNREADABLE.status
    assert "larger than" in node.exit_message


def test_s8_s10_a_message_is_bounded_and_visible(parse):
    message = "\x1b[2J\x1b]0;owned\x07 first\nfinished <7>\u202e" + 900_000 * "x" + "end"
    _, node = parse({**RECORD, "status": "failed", "error": {"kind": "bad_input", "message": message}})
    assert node.exit_status == codes().ERROR_INPUT_REFUSED.status
    assert node.exit_message.startswith(
        r"the engine rejected its input: \x1b[2J\x1b]0;owned\x07 first\nfinished <7>\u202exx"
    )
    assert node.exit_message.isprintable()
    assert node.exit_message.endswith("xend")
    assert len(node.exit_message) < 500


def npz(header_shape="(3,)", descr="<f8", content=b"0" * 24, member="a.npy"):
    import io
    import zipfile

    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {header_shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content)
    return target.getvalue()


S8_ARRAYS = {
    "22 TB declared": npz("(3000000000000,)"),
    "negative": npz("(-3,)"),
    "overflow": npz(f"({2**62}, 4)"),
    "shape of text": npz("('3',)"),
    "objects": npz(descr="|O"),
    "complex": npz(descr="<c16", header_shape="(1,)", content=b"0" * 16),
    "records": npz(descr=[("x", "<f8")]),
    "name": npz(member="../../a b.npy"),
    "shell in a name": npz(member="$(touch x).npy"),
    "cut": npz()[:-30],
    "not a zip": b"PK\x03\x04" + bytes(100),
    "empty": b"",
    "bomb": lambda: npz(f"({10**9 // 8},)", content=bytes(10**9)),
}  # fmt: skip


def hostile(name):
    """Return a file; what takes long to make is made only for the test that reads it."""
    content = S8_ARRAYS[name]
    return content() if callable(content) else content


@pytest.mark.parametrize("name", S8_ARRAYS)
def test_s8_hostile_arrays_are_unreadable_outputs(parse, name):
    _, node = parse(
        {**RECORD, "task": "metrics"}, files={"per_structure.npz": hostile(name)}, entry_point="dismai.metrics"
    )
    assert node.exit_status == codes().ERROR_OUTPUT_UNREADABLE.status, node.exit_message
    assert "per_structure.npz" in node.exit_message


@pytest.mark.parametrize("name", S8_ARRAYS)
def test_s8_hostile_structures_are_unreadable_outputs(parse, name):
    _, node = parse(files={"structures.npz": hostile(name)})
    assert node.exit_status == codes().ERROR_OUTPUT_UNREADABLE.status, node.exit_message


def test_s8_an_output_that_links_elsewhere_is_not_read(parse, structures, tmp_path):
    write_npz(structures, tmp_path / "elsewhere.npz")
    (tmp_path / "structures.npz").symlink_to(tmp_path / "elsewhere.npz")
    _, node = parse()
    assert node.exit_status == codes().ERROR_OUTPUT_UNREADABLE.status
    assert "symbolic link" in node.exit_message


def test_s8_an_error_that_nobody_foresaw_ends_the_job_too(parse, structures, monkeypatch):
    from aiida_dismai.parsers import base

    def broken(path):
        raise RecursionError("as a library might")

    monkeypatch.setattr(base, "read_npz", broken)
    _, node = parse(files={"structures.npz": structures})
    assert node.exit_status == codes().ERROR_OUTPUT_UNREADABLE.status
    assert "as a library might" in node.exit_message
