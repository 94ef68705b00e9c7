"""POSCAR and CONTCAR, checked against what their head says before ASE reads them."""

from __future__ import annotations

import itertools
from pathlib import Path

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .convert import from_ase
from .elements import atomic_numbers
from .source import Lines

HEAD = 7


def read_poscar(path: Path) -> StructureSet:
    """Read a file of VASP 5 or later, which names its elements; constraints and velocities are left out.

    Raises:
        BadInput: the head is incomplete, names no elements, or says more atoms than there are lines.
    """
    from ase.io.vasp import read_vasp

    expected = _check_head(path)
    try:
        atoms = read_vasp(str(path))
    except Exception as error:  # ASE raises many types for one meaning
        raise BadInput(
            f"{visible(path)}: not readable as POSCAR ({type(error).__name__}: {visible(error, 120)})"
        ) from error
    if len(atoms) != expected:
        raise BadInput(f"{visible(path)}: its head says {expected} atoms, {len(atoms)} were read")
    atoms.set_constraint()
    for name in set(atoms.arrays) - {"numbers", "positions"}:
        del atoms.arrays[name]
    return from_ase([atoms], visible(path))


def _check_head(path: Path) -> int:
    """Return the number of atoms that the head says."""
    with Lines(path) as lines:
        head = list(itertools.islice(lines, HEAD))
        if len(head) < HEAD:
            raise BadInput(f"{visible(path)}: cut off after line {lines.number}; a POSCAR has at least 8 lines")
        for number, width in ((1, (1, 3)), (2, (3,)), (3, (3,)), (4, (3,))):
            words = head[number].split()
            if len(words) < width[0] or not all(_is_number(word) for word in words[: width[0]]):
                what = "the scale" if number == 1 else "a lattice vector"
                raise BadInput(
                    f"{visible(path)}: line {number + 1}: {what} is expected, not '{visible(head[number], 60)}'"
                )
        symbols, counts = head[5].split(), head[6].split()
        if not symbols or all(word.isdigit() for word in symbols):
            raise BadInput(
                f"{visible(path)}: line 6 does not name the elements (as VASP 4 wrote it); add a line such as 'Li O'"
            )
        atomic_numbers([symbol.split("_")[0].split("/")[0] for symbol in symbols], f"{visible(path)}: line 6")
        # as in VASP, what stands behind the numbers is a comment
        counts = counts[: len(symbols)]
        if len(counts) != len(symbols) or not all(
            word.isascii() and word.isdigit() and len(word) < 10 for word in counts
        ):
            raise BadInput(
                f"{visible(path)}: line 7: {len(symbols)} numbers of atoms are expected, not '{visible(head[6], 60)}'"
            )
        total = sum(int(word) for word in counts)
        rest = sum(1 for line in itertools.islice(lines, total + 2) if line.strip())
        if rest < total + 1:
            raise BadInput(
                f"{visible(path)}: says {total} atoms, but only {max(0, rest - 1)} lines of positions follow"
            )
    return total


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
