"""S9: pieces of a checkpoint that no task writes are refused; compiled code gets none of them, and nothing hangs."""

import io
import json

import numpy as np
import pytest

from aiida_dismai.engine.alloys.monte_carlo.records import RunRecords
from aiida_dismai.engine.arrays import write_arrays
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.ownership import Owner
from aiida_dismai.engine.store import Store

OWNER = Owner({"task": "x"})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "pieces.bin", OWNER)


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000 + b"\n", b"{\n", b'{"a": "\xff"}\n', b"null\n", b'{"task": "x", "task": "x"}\n', b'{"x": ' * 40,
     b"9" * 5000 + b"\n", b"x" * (17 * 2**20)],
)  # fmt: skip
def test_s9_a_store_of_somebody_else_is_refused(tmp_path, store, line):
    store.add(1, b"content")
    whole = store.path.read_bytes()
    store.path.write_bytes(line + whole.partition(b"\n")[2])
    with pytest.raises(BadInput, match=r"pieces\.bin") as error:
        Store(store.path, OWNER)
    assert str(error.value).isprintable()


def arrays(**named):
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        arrays(a=np.array([1 + 2j])),
        arrays(a=np.array(b"x")),
        arrays(a=np.array([{}], dtype=object)),
    ],
)
def test_s9_a_piece_that_holds_no_arrays_is_refused(store, content):
    store.add(1, content)
    with pytest.raises(BadInput, match=r"pieces\.bin"):
        store.get(1)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError(), ValueError("\x1b[2J"), IndexError(), BadInput("x\ny")])
def test_s9_what_reading_a_piece_leads_to_is_one_line(store, error):
    with (
        pytest.raises(BadInput, match=r"pieces\.bin: a piece of it is not what this task writes") as refused,
        store.reading(),
    ):
        raise error
    assert str(refused.value).isprintable()


RECORD = np.dtype([("pass", "<i8"), ("bonds", "<i4", (1, 2, 2)), ("species", "u1", (4,))])


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(RECORD.itemsize - 1), bytes(RECORD.itemsize - 4) + b"\0\1\2\1", b"\xff" * RECORD.itemsize],
)
def test_s9_records_of_another_system_reach_no_compiled_code(store, content):
    """An empty piece would be followed by itself for ever; a species that there is not would be an index."""
    store.add("0:0", content)
    with pytest.raises(BadInput, match=r"pieces\.bin: a piece of it"):
        RunRecords(store, 0, RECORD)


def test_records_of_the_system_are_read(store):
    store.add("0:0", bytes(RECORD.itemsize - 4) + b"\0\1\0\1")
    assert len(RunRecords(store, 0, RECORD)) == 1


@pytest.mark.engine
def test_s9_half_way_states_of_a_network_reach_no_compiled_code(tmp_path):
    from aiida_dismai.engine.amorphous.network.annealing import Course
    from aiida_dismai.engine.amorphous.network.parameters import NetworkParameters

    parameters = NetworkParameters(n_atoms=64)
    course = Course(parameters, np.random.default_rng(1))
    good = tmp_path / "good.npz"
    course.save(good)
    with np.load(good) as found:
        right = dict(found)
    plain = json.loads(str(right["plain"]))
    moved, far = right["positions"].copy(), right["bonded"].copy()
    moved[0, 0] = np.nan
    far[0, 0] = 10**9
    wrong = {
        "far": {"bonded": far},
        "negative": {"bonded": np.where(far > 64, -1, far)},
        "fewer": {"positions": right["positions"][:-1]},
        "nan": {"positions": moved},
        "box": {"box": np.array(-1.0)},
        "whole numbers": {"positions": right["positions"].astype(int)},
        "pending": {"pending": np.array([36 * 64])},
        "phase": {"plain": np.array(json.dumps(plain | {"phase": "__class__"}))},
        "names": {"plain": np.array(json.dumps({"parameters": 1}))},
        "counts": {"plain": np.array(json.dumps(plain | {"tried": "x"}))},
        "random": {"plain": np.array(json.dumps(plain | {"rng": {"bit_generator": "MT19937"}}))},
        "deep": {"plain": np.array("[" * 100_000)},
    }
    before = course.positions.copy()
    for name, change in wrong.items():
        write_arrays(tmp_path / f"{name}.npz", right | change)
        with pytest.raises(BadInput, match=rf"{name}\.npz"):
            course.load(tmp_path / f"{name}.npz")
        assert course.parameters is parameters
        assert np.array_equal(course.positions, before)
    course.load(good)


@pytest.mark.engine
def test_s9_half_way_states_of_a_quench_are_those_of_its_atoms(tmp_path):
    from aiida_dismai.engine.amorphous.quench.course import Course

    vectors = np.ones((8, 3))
    right = {"positions": vectors, "velocities": vectors, "origin": vectors, "edge": 10.0}
    right |= {"pieces": 1, "melted": 2, "quenched": 0, "molten": False}
    path = tmp_path / "course.npz"
    write_arrays(path, right)
    assert Course.load(path, 8).melted == 2
    assert Course.load(path, 9) is None
    for change in ({"edge": np.inf}, {"edge": -1.0}, {"quenched": -5}, {"velocities": vectors[:7]}, {"edge": vectors},
                   {"positions": vectors * np.nan}):  # fmt: skip
        write_arrays(path, right | change)
        assert Course.load(path, 8) is None
