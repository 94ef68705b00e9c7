"""Every property that a set can hold goes out to a file and comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import read as ase_read
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import (
    Property,
    StructureSet,
    StructureStream,
    from_ase,
    load_structures,
    read_extxyz,
    read_npz,
    write_extxyz,
    write_npz,
)

#: Text that is easily taken for something else.
WORDS = (
    "", " ", "T", "F", "true", "none", "1", "1.0", "1 2 3", "1,2", "nan", "_JSON [1]", "_JSON", "a b", 'say "no"',
    "it's", "back\\slash", "\\n", "line\nbreak", "tab\t", "key=value", "{1 2}", "[1, 2]", "Å³", "\x1b[31m", "ends\\",
    " x ", "#", "overlap: atoms 3 and 7 are 0.42 Å apart", "1 2 3 4 5 6 7 8 9", "T T F",
)  # fmt: skip
TEXTS = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12
)
FLOATS = st.floats(width=64)
INTEGERS = st.integers(-(2**31), 2**31 - 1)  # ASE reads no larger ones in columns of atoms
#: What tasks of the project write besides energies, forces and stress: name → unit.
NAMES = {
    "trajectory": "", "stage": "", "source": "", "index": "", "shift": "", "exchanges": "", "failure": "",
    "exchanges_cation": "", "build_seed": "", "distance_factor": "", "sro": "", "temperature": "K",
    "formation_energy": "meV/atom", "density": "g/cm³", "attempts": "", "origin_file": "",
}  # fmt: skip
#: Those that must be one number or one truth value: name → kind and unit.
SCALARS = {
    "steps": ("i", ""), "step": ("i", ""), "sample": ("i", ""), "source_index": ("i", ""), "rounds": ("i", ""),
    "converged": ("b", ""), "fmax": ("f", "eV/Å"), "energy_initial": ("f", "eV"), "interface_energy": ("f", "J/m²"),
    "interface_thickness": ("f", "Å"),
}  # fmt: skip
SHAPES = st.sampled_from([(), (), (1,), (2,), (3,), (9,), (3, 3), (2, 2), (2, 3, 2), (1, 1)])


@st.composite
def values(draw, n, level, kind=None, shape=None):
    """Values of one property of ``n`` structures or atoms."""
    kind = draw(st.sampled_from("fiubU")) if kind is None else kind
    shape = draw(SHAPES) if shape is None else shape
    if kind == "U" and level == "structure":
        shape = draw(st.sampled_from([(), (), (2,), (1,)]))
        count = n * int(np.prod(shape, dtype=int))
        # numpy drops trailing NULs, and knows no other difference
        found = draw(st.lists(TEXTS, min_size=count, max_size=count))
        return np.array(found, dtype=np.str_).reshape(n, *shape)
    if kind == "U":
        words = draw(st.lists(st.from_regex(r"[A-Za-z0-9_.\-]{1,6}", fullmatch=True), min_size=n, max_size=n))
        return np.array(words, dtype=np.str_)
    dtype, elements = {
        "f": (np.float64, FLOATS),
        "i": (np.int64, INTEGERS),
        "u": (np.uint8, st.integers(0, 255)),
        "b": (np.bool_, st.booleans()),
    }[kind]
    return draw(arrays.arrays(dtype, (n, *shape), elements=elements))


@st.composite
def sets(draw):
    """Sets with any properties."""
    n = draw(st.integers(1, 3))
    counts = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    total = sum(counts)
    properties = {}
    for name in draw(st.sets(st.sampled_from(sorted(NAMES)), max_size=4)):
        properties[name] = Property(draw(values(n, "structure")), "structure", NAMES[name])
    for name in draw(st.sets(st.sampled_from(sorted(SCALARS)), max_size=4)):
        kind, unit = SCALARS[name]
        properties[name] = Property(draw(values(n, "structure", kind, ())), "structure", unit)
    for name in draw(st.sets(st.sampled_from(["weight", "label", "tensor"]), max_size=2)):
        properties[name] = Property(draw(values(total, "atom")), "atom", draw(st.sampled_from(["", "e"])))
    finite = st.floats(-1e6, 1e6)
    if draw(st.booleans()):
        stress = draw(arrays.arrays(np.float64, (n, 3, 3), elements=finite))
        properties["stress"] = Property(stress, "structure", "GPa")
    if draw(st.booleans()):
        properties["energy"] = Property(draw(arrays.arrays(np.float64, n, elements=finite)), "structure", "eV")
        properties["forces"] = Property(draw(arrays.arrays(np.float64, (total, 3), elements=finite)), "atom", "eV/Å")
    return StructureSet(
        draw(st.lists(st.integers(1, 118), min_size=total, max_size=total)),
        draw(arrays.arrays(np.float64, (total, 3), elements=finite)),
        np.eye(3)[None] * draw(arrays.arrays(np.float64, (n, 1, 1), elements=st.floats(1, 100))),
        draw(arrays.arrays(np.bool_, (n, 3))),
        np.concatenate([[0], np.cumsum(counts)]),
        properties,
    )


def assert_equal(found, wanted):
    """Compare all that text can keep: everything but the width of numbers and texts."""
    for name in ("numbers", "positions", "cells", "pbc", "offsets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert {name: (prop.level, prop.unit) for name, prop in found.properties.items()} == {
        name: (prop.level, prop.unit) for name, prop in wanted.properties.items()
    }
    for name, prop in wanted.properties.items():
        back = found.properties[name].values
        assert back.shape == prop.values.shape, name
        assert back.dtype.kind.replace("u", "i") == prop.values.dtype.kind.replace("u", "i"), name
        np.testing.assert_array_equal(back, prop.values, err_msg=name)


EMPTY_AND_NUMBER = StructureSet.from_uniform(
    [14],
    np.zeros((2, 1, 3)),
    np.eye(3) * 5,
    properties={
        "failure": Property(np.array(["", "overlap"]), "structure"),
        "fmax": Property(np.array([0.82, 0.01]), "structure", "eV/Å"),
        "sro": Property(np.arange(18.0).reshape(2, 3, 3), "structure"),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(structures=sets())
@example(structures=EMPTY_AND_NUMBER)
def test_extxyz_and_npz_keep_everything(structures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    write_extxyz(structures, folder / "x.extxyz")
    assert_equal(read_extxyz(folder / "x.extxyz"), structures)
    blocks = list(StructureStream(folder / "x.extxyz").blocks(2))
    atoms = [name for name, prop in structures.properties.items() if prop.level == "atom"]
    assert_equal(StructureSet.concatenate(blocks), structures.without_properties(*atoms) if atoms else structures)
    write_npz(structures, folder / "x.npz")
    assert read_npz(folder / "x.npz") == structures


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(structures=sets())
@example(structures=EMPTY_AND_NUMBER)
def test_ase_reads_what_is_written(structures, tmp_path_factory):
    """Atoms, cells, and each property of a structure that ASE keeps, are the same in both readers."""
    path = tmp_path_factory.mktemp("ase") / "x.extxyz"
    write_extxyz(structures, path)
    frames = ase_read(path, index=":", format="extxyz")
    assert len(frames) == len(structures)
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.positions, structures[i].positions)
        np.testing.assert_array_equal(frame.cell.array, structures.cells[i])
        assert frame.pbc.tolist() == structures.pbc[i].tolist()
        for name, prop in structures.properties.items():
            if prop.level == "structure" and name not in ("energy", "stress"):
                np.testing.assert_array_equal(np.asarray(frame.info[name]), prop.values[i], err_msg=name)
    if "energy" in structures.properties:
        assert [frame.get_potential_energy() for frame in frames] == structures.values("energy").tolist()


def test_what_version_0_1_wrote_is_read(tmp_path):
    """Matrices were written as JSON without quotes, and empty texts as they are."""
    line = 'Lattice="5 0 0 0 5 0 0 0 5" pbc="T T T" sro=_JSON [[1.0, 2.0], [3.0, 4.0]] failure="" fmax=0.82'
    (tmp_path / "a.extxyz").write_text(f"1\n{line}\nSi 0 0 0\n")
    found = load_structures(tmp_path / "a.extxyz")
    assert found.values("sro").tolist() == [[[1.0, 2.0], [3.0, 4.0]]]
    assert found.values("failure").tolist() == [""]
    assert found.values("fmax").tolist() == [0.82]


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    one = StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.eye(3) * 5)
    with pytest.raises(BadInput, match="a text with spaces: extxyz cannot hold it"):
        write_extxyz(one.with_property("label", ["two words"], "atom", ""), tmp_path / "a.extxyz")
    assert not (tmp_path / "a.extxyz").exists()
    with pytest.raises(BadInput, match="no structures to write"):
        write_extxyz(StructureSet.empty(), tmp_path / "a.extxyz")
    for name in ("Lattice", "pos", "a b", "a=b", 'a"b', "\x1b[31m", ""):
        with pytest.raises(BadInput, match="this name cannot be used"):
            one.with_property(name, [1.0], "structure", "")
    for odd in (np.array([1j]), np.array([b"bytes"]), np.array(["2026-01-01"], dtype="datetime64[D]")):
        with pytest.raises(BadInput, match="cannot be stored"):
            one.with_property("x", odd, "structure", "")


def test_stress_comes_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(1)
    stress = rng.normal(size=(500, 3, 3)) * 10.0 ** rng.integers(-12, 6, (500, 1, 1))
    one = StructureSet.from_uniform([14], np.zeros((500, 1, 3)), np.eye(3) * 5).with_property("stress", stress)
    write_extxyz(one, tmp_path / "a.extxyz")
    assert (read_extxyz(tmp_path / "a.extxyz").values("stress") == stress).all()
    theirs = from_ase(ase_read(tmp_path / "a.extxyz", index=":"))
    symmetric = (stress + stress.transpose(0, 2, 1)) / 2
    assert theirs.values("stress")[0, 0, 0] == pytest.approx(symmetric[0, 0, 0], rel=1e-14)
