"""Good files of every format, small and different, as this project and other programs write them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as ase_write

from aiida_dismai.engine.structures import Property, StructureSet, write_extxyz, write_npz

from .mutations import mutate_bytes, mutate_text


@dataclass(frozen=True)
class Format:
    """A format: its name, that of its files, what writes one, and what changes one."""

    name: str
    file: str
    make: Callable[[random.Random, Path], bytes]
    mutate: Callable[[bytes, random.Random], bytes]


def structures(rng: random.Random) -> StructureSet:
    """Return a few structures with properties."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    n = rng.randint(1, 4)
    counts = numbers.integers(1, 5, n)
    total = int(counts.sum())
    every = {
        "energy": Property(numbers.normal(size=n), "structure", "eV"),
        "converged": Property(numbers.random(n) < 0.5, "structure"),
        "steps": Property(numbers.integers(0, 99, n), "structure"),
        "failure": Property(np.array([rng.choice(["", "overlap", "T", "1 2"]) for _ in range(n)]), "structure"),
        "forces": Property(numbers.normal(size=(total, 3)), "atom", "eV/Å"),
        "region": Property(numbers.integers(0, 3, total), "atom"),
        "stress": Property(numbers.normal(size=(n, 3, 3)), "structure", "GPa"),
    }
    chosen = {name: prop for name, prop in every.items() if rng.random() < 0.5}
    cells = numbers.normal(size=(n, 3, 3)) * 0.2 + 5 * np.eye(3)
    return StructureSet(
        numbers.choice([3, 8, 14, 17, 26], total),
        numbers.normal(size=(total, 3)),
        cells,
        np.ones((n, 3), dtype=bool),
        np.concatenate([[0], np.cumsum(counts)]),
        chosen,
    )


def atoms(rng: random.Random) -> Atoms:
    """Return one structure with well separated atoms."""
    n = rng.randint(1, 5)
    symbols = [rng.choice(["Si", "O", "Li", "Cl", "Fe"]) for _ in range(n)]
    made = Atoms(symbols, positions=[[2.5 * i, 0.3 * i, 1.0] for i in range(n)], cell=[2.5 * n + 1, 5, 6], pbc=True)
    if rng.random() < 0.5:
        made.set_cell([[2.5 * n + 1, 0, 0], [0.7, 5, 0], [0.3, -0.4, 6]])
    return made


def _ours(writer: Callable[[StructureSet, Path], None], name: str) -> Callable[[random.Random, Path], bytes]:
    def make(rng: random.Random, folder: Path) -> bytes:
        writer(structures(rng), folder / name)
        return (folder / name).read_bytes()

    return make


def _ase_extxyz(rng: random.Random, folder: Path) -> bytes:
    frames = []
    for _ in range(rng.randint(1, 3)):
        made = atoms(rng)
        made.calc = SinglePointCalculator(
            made, energy=rng.random(), forces=np.ones((len(made), 3)), stress=np.arange(6.0)
        )
        made.info["config_type"] = rng.choice(["bulk", "a b", "[x]"])
        frames.append(made)
    text = io.StringIO()
    ase_write(text, frames, format="extxyz")
    return text.getvalue().encode()


def _of_ase(form: str, **keywords: object) -> Callable[[random.Random, Path], bytes]:
    def make(rng: random.Random, folder: Path) -> bytes:
        path = folder / f"made_by_ase_{form}"
        ase_write(path, atoms(rng), format=form, **keywords)
        return path.read_bytes()

    return make


def _dump(rng: random.Random, folder: Path) -> bytes:
    lines = []
    for step in range(rng.randint(1, 3)):
        made = atoms(rng)
        lengths = made.cell.lengths()
        lines += [
            "ITEM: TIMESTEP",
            str(100 * step),
            "ITEM: NUMBER OF ATOMS",
            str(len(made)),
            "ITEM: BOX BOUNDS pp pp pp",
        ]
        lines += [f"0.0 {length}" for length in lengths]
        lines += ["ITEM: ATOMS id type element x y z"]
        for i, (symbol, place) in enumerate(zip(made.symbols, made.positions, strict=True), start=1):
            lines.append(f"{i} 1 {symbol} " + " ".join(repr(float(x)) for x in place))
    return ("\n".join(lines) + "\n").encode()


def _cif(rng: random.Random, folder: Path) -> bytes:
    if rng.random() < 0.5:
        return _of_ase("cif")(rng, folder)
    return ROCK_SALT


ROCK_SALT = b"""data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
_chemical_formula_sum 'Na Cl'
_cell_formula_units_Z 4
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 1
Cl1 Cl 0.5 0.5 0.5 1
"""

FORMATS = {
    form.name: form
    for form in (
        Format("extxyz", "x.extxyz", _ours(write_extxyz, "x.extxyz"), mutate_text),
        Format("extxyz of ASE", "x.xyz", _ase_extxyz, mutate_text),
        Format("npz", "x.npz", _ours(write_npz, "x.npz"), mutate_bytes),
        Format("LAMMPS data", "x.data", _of_ase("lammps-data", masses=True), mutate_text),
        Format("LAMMPS dump", "x.dump", _dump, mutate_text),
        Format("POSCAR", "POSCAR", _of_ase("vasp"), mutate_text),
        Format("CIF", "x.cif", _cif, mutate_text),
    )
}
