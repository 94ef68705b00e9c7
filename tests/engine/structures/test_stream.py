"""Structures read a block at a time are the structures read at once."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import (
    Property,
    StructureSet,
    StructureStream,
    load_structures,
    write_extxyz,
    write_npz,
)


@pytest.fixture
def ragged() -> StructureSet:
    """Seven structures of one to seven atoms, with properties of both levels."""
    generator = np.random.default_rng(3)
    counts = np.arange(1, 8)
    total = int(counts.sum())
    return StructureSet(
        generator.integers(1, 90, total),
        generator.uniform(0, 5, (total, 3)),
        generator.normal(size=(7, 3, 3)) + 9 * np.eye(3),
        np.ones((7, 3)),
        np.concatenate([[0], np.cumsum(counts)]),
        {
            "energy": Property(generator.normal(size=7), "structure", "eV"),
            "converged": Property(np.arange(7) % 2 == 0, "structure"),
            "forces": Property(generator.normal(size=(total, 3)), "atom", "eV/Å"),
        },
    )


def write(structures: StructureSet, folder, ending: str):
    path = folder / f"set{ending}"
    if ending == ".npz":
        write_npz(structures, path)
    elif ending == ".extxyz":
        write_extxyz(structures, path)
    else:
        write_extxyz(structures, folder / "plain.extxyz")
        path.write_bytes(gzip.compress((folder / "plain.extxyz").read_bytes()))
    return path


@pytest.mark.parametrize("ending", [".npz", ".extxyz", ".extxyz.gz"])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_the_same_structures(ragged, tmp_path, ending, size):
    path = write(ragged, tmp_path, ending)
    stream = StructureStream(path)
    assert len(stream) == 7
    blocks = list(stream.blocks(size))
    assert [len(block) for block in blocks] == [min(size, 7 - start) for start in range(0, 7, size)]
    assert StructureSet.concatenate(blocks) == load_structures(path).without_properties("forces")


def test_what_is_not_streamed_is_read_as_a_whole(ragged, tmp_path):
    from ase.io import write as ase_write

    from aiida_dismai.engine.structures import to_ase

    ase_write(tmp_path / "POSCAR", to_ase(ragged[4].without_properties())[0], format="vasp")
    stream = StructureStream(tmp_path / "POSCAR")
    assert len(stream) == 1
    assert [len(block.numbers) for block in stream.blocks()] == [5]


def test_an_empty_set_has_no_blocks(tmp_path):
    write_npz(StructureSet.empty(), tmp_path / "none.npz")
    stream = StructureStream(tmp_path / "none.npz")
    assert len(stream) == 0
    assert list(stream.blocks()) == []


def test_memory_does_not_grow_with_the_set(tmp_path):
    """8 MB of positions are read; of them only one block is in memory at a time."""
    one = np.random.default_rng(0).uniform(0, 10, (2000, 170, 3))
    write_npz(StructureSet.from_uniform(np.full(170, 14), one, np.eye(3) * 10), tmp_path / "many.npz")
    del one
    tracemalloc.start()
    seen = sum(len(block) for block in StructureStream(tmp_path / "many.npz").blocks(64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == 2000
    assert peak < 3e6


def test_errors_say_what_and_where(ragged, tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        StructureStream(tmp_path / "absent.npz")
    path = write(ragged, tmp_path, ".npz")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(BadInput, match="truncated"):
        list(StructureStream(path).blocks())
    path = write(ragged, tmp_path, ".extxyz")
    text = path.read_text()
    path.write_text(text[:-60])
    with pytest.raises(BadInput, match=r"line 42: frame 6, atom 6: 5 columns where there should be 7"):
        list(StructureStream(path).blocks())
    path.write_text(text.replace("Lattice=", "Nothing=", 1))
    with pytest.raises(BadInput, match=r"frame 0 \(line 1\): has no lattice"):
        list(StructureStream(path).blocks())
    path.write_text("this is no structure\n")
    with pytest.raises(BadInput, match="line 1: frame 0 must begin with its number of atoms"):
        len(StructureStream(path))


def test_a_property_that_comes_late_is_an_error(ragged, tmp_path):
    """Blocks must not differ in what they carry, as a set cannot."""
    write_extxyz(ragged[:4].without_properties(), tmp_path / "a.extxyz")
    write_extxyz(ragged[4:], tmp_path / "b.extxyz")
    both = tmp_path / "both.extxyz"
    both.write_text((tmp_path / "a.extxyz").read_text() + (tmp_path / "b.extxyz").read_text())
    with pytest.raises(BadInput, match=r"frame 4 \(line 19\): the property 'converged' is not in all frames"):
        list(StructureStream(both).blocks(4))
    with pytest.raises(
        BadInput, match=r"both\.extxyz: frame 4 \(line 19\): the property .*\(frame 0 \(line 1\) lacks it\)"
    ):
        list(StructureStream(both).blocks(7))
