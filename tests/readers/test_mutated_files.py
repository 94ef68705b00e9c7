"""Every reader of structures with mutated files of every format.

A file is read or refused, in bounded time and memory: no traceback, no frame or atom lost or changed, and what reads a
whole file and what streams it agree. `make fuzz` runs 100,000 cases (`DISMAI_FUZZ=n` any number), CI some thousands.
"""

from __future__ import annotations

import os
import random
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols
from ase.io import read as ase_read

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureSet, StructureStream, load_structures, read_npz

from .formats import FORMATS
from .guards import bounded

#: Share of each format in the cases: readers of ASE are slow, and not ours.
SHARES = {"extxyz": 30, "extxyz of ASE": 20, "npz": 20, "LAMMPS data": 12, "LAMMPS dump": 10, "POSCAR": 4, "CIF": 4}
#: Cases in all; each format is given them in portions, so that several processes share them.
CASES = int(os.environ.get("DISMAI_FUZZ", "4000"))
#: Seed of the first case: another one for each long run.
FIRST = int(os.environ.get("DISMAI_FUZZ_SEED", "0"))
PORTIONS = 4


@pytest.mark.parametrize("portion", range(PORTIONS))
@pytest.mark.parametrize("name", FORMATS)
def test_a_mutated_file_is_read_or_refused(name, portion, tmp_path):
    cases = CASES * SHARES[name] // 100 // PORTIONS
    accepted = 0
    for case in range(cases):
        seed = FIRST + portion + PORTIONS * case
        with bounded(seconds=30, megabytes=1024):
            accepted += _check(name, seed, tmp_path)
    assert accepted < cases, "no mutation was ever refused"


def test_files_that_nobody_touched_are_read(tmp_path):
    for name, form in FORMATS.items():
        for seed in range(20):
            path = tmp_path / form.file
            path.write_bytes(form.make(random.Random(seed), tmp_path))
            assert len(load_structures(path)) == len(StructureStream(path)), name


def _check(name: str, seed: int, folder: Path) -> bool:
    """Read one mutated file in every way; returns whether it was accepted."""
    rng = random.Random(seed)
    form = FORMATS[name]
    good = form.make(rng, folder)
    path = folder / form.file
    path.write_bytes(form.mutate(good, rng))
    try:
        whole, streamed = _read(load_structures, path), _read(_stream, path)
        if whole is None and streamed is not None and name != "CIF":
            # a stream does not look at the properties of atoms, which may be what is damaged
            CHECKS[name.split(" of ")[0]](path, good, streamed)
            return False
        assert (whole is None) == (streamed is None), "one reader refuses what the other reads"
        if whole is None or streamed is None:
            return False
        left_out = [key for key, prop in whole.properties.items() if prop.level == "atom"]
        bare = whole.without_properties(*left_out) if left_out else whole
        assert bare == streamed, "two readers disagree"
        CHECKS[name.split(" of ")[0]](path, good, whole)
    except Exception as error:
        kept = folder.parent / f"{name.replace(' ', '_')}_{seed}_{form.file}"
        kept.write_bytes(path.read_bytes())
        raise AssertionError(f"{name}, seed {seed} (kept as {kept}): {type(error).__name__}: {error}") from error
    return True


def _read(reader, path: Path) -> StructureSet | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = reader(path)
        except BadInput as refusal:
            message = str(refusal)
            assert path.name in message, "the refusal does not name the file"
            assert message.isprintable(), "control characters in a message"
            assert len(message) < 2000, "an endless message"
            return None
    assert len(found), "an empty set instead of a refusal"
    return found


def _stream(path: Path) -> StructureSet:
    stream = StructureStream(path)
    blocks = list(stream.blocks(2))
    assert sum(len(block) for block in blocks) == len(stream)
    return StructureSet.concatenate(blocks)


# ---------------------------------------------------------------------- what must not get lost, counted in another way
def _extxyz(path: Path, good: bytes, found: StructureSet) -> None:
    """Lines are frames' heads, comments and atoms, and blank ones between frames; ASE reads the same where it can."""
    lines = [line for line in re.split("\r\n|\r|\n", path.read_text(encoding="utf-8-sig")) if line.strip()]
    assert len(lines) == len(found.numbers) + 2 * len(found), "atoms or frames were lost"
    try:
        frames = ase_read(path, index=":", format="extxyz")
    except Exception:
        return
    if len(frames) != len(found):
        return  # it stops at a blank line
    assert np.array_equal(np.concatenate([frame.numbers for frame in frames]), found.numbers)
    if all(name in ("numbers", "positions") for frame in frames for name in frame.arrays if "os" in name.lower()):
        # positions under any other name are zeros to it
        np.testing.assert_array_equal(np.concatenate([frame.positions for frame in frames]), found.positions)
    if all(frame.cell.rank == 3 for frame in frames):  # it knows no other spelling of Lattice
        np.testing.assert_array_equal([frame.cell.array for frame in frames], found.cells)


def _npz(path: Path, good: bytes, found: StructureSet) -> None:
    """A file is protected by checksums: what is read is what was written."""
    original = path.with_name("original.npz")
    original.write_bytes(good)
    wanted = read_npz(original)
    lacking = set(wanted.properties) - set(found.properties)
    assert all(wanted.properties[name].level == "atom" for name in lacking)
    assert found == (wanted.without_properties(*lacking) if lacking else wanted), "other structures than were written"


def _lammps_data(path: Path, good: bytes, found: StructureSet) -> None:
    text = path.read_text(encoding="utf-8-sig")
    said = re.search(r"^\s*(\d+)\s+atoms\s*(#.*)?$", text, re.MULTILINE)
    assert said is not None
    assert int(said[1]) == len(found.numbers)


def _lammps_dump(path: Path, good: bytes, found: StructureSet) -> None:
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    assert len(lines) == len(found.numbers) + 9 * len(found), "atoms or time steps were lost"


def _poscar(path: Path, good: bytes, found: StructureSet) -> None:
    head = path.read_text(encoding="utf-8-sig").splitlines()[:7]
    assert sum(int(word) for word in head[6].split()[: len(head[5].split())]) == len(found.numbers)


def _cif(path: Path, good: bytes, found: StructureSet) -> None:
    """The stated formula is that of the sites."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    said = re.findall(r"_chemical_formula_sum\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))", text)
    if len(said) != 1 or len(found) != 1:
        return
    words = re.fullmatch(r"(?:([A-Z][a-z]?)(\d*)\s*)+", "".join(said[0]))
    if words is None:
        return
    formula = {symbol: int(count or 1) for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", words[0])}
    counts = Counter(np.array(chemical_symbols)[found.numbers].tolist())
    assert {counts[symbol] / count for symbol, count in formula.items()} == {
        sum(counts.values()) / sum(formula.values())
    }


CHECKS = {
    "extxyz": _extxyz,
    "npz": _npz,
    "LAMMPS data": _lammps_data,
    "LAMMPS dump": _lammps_dump,
    "POSCAR": _poscar,
    "CIF": _cif,
}
