"""The ionic steps that pw.x prints, as far as they are complete.

aiida-quantumespresso's trajectory has zeros for the forces of fixed atoms (as the XML has), and of a job that was
killed there is none. The true forces of all atoms are printed, and each step stands for itself: where the output ends
inside a step, that step is lost and no other. Geometries come from where pw.x prints them with ten digits; the first
one is that of the job's input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..printed import printed_number

#: CODATA 2018.
RYDBERG = 13.605693122994  # eV
BOHR = 0.529177210903  # Å
RY_PER_BOHR = RYDBERG / BOHR  # eV/Å
RY_PER_BOHR3 = 14710.507876  # GPa
#: Characters of a line that are read.
MAX_LINE = 500

_VERSION = re.compile(r"Program PWSCF v\.(\d+)\.(\d+)")
_ENERGY = re.compile(r"^!\s+total energy\s+=\s+(\S+)\s+Ry")
_FORCE = re.compile(r"^\s+atom\s+\d+\s+type\s+\d+\s+force =(.*)$")
_TAU = re.compile(r"^\s+\d+\s+(\S+)\s+tau\(\s*\d+\)\s*=\s*\((.*)\)")
_HUBBARD = re.compile(r"^\s+U\((\S+)\)\s*=\s*(\S+)")
_ALAT = re.compile(r"celldm\(1\)=\s*(\S+)")
_UNIT = re.compile(r"\((?:alat\s*=\s*(\S+?)|(\w+))\s*\)")
_MD5 = re.compile(r"MD5 check sum:\s*([0-9a-f]{32})")


@dataclass
class Step:
    """One geometry and what was computed for it.

    Attributes:
        positions: Cartesian, Å, ``(m, 3)``; None for that of the input.
        cell: rows are the lattice vectors, Å, ``(3, 3)``; None for that of the step before.
        energy: eV.
        forces: of all atoms, fixed ones too, eV/Å, ``(m, 3)``.
        stress: as printed, positive under compression, GPa, ``(3, 3)``.
        electrons_failed: whether the electrons did not converge.

    What was not printed is None; what is no number (stars) is NaN.
    """

    positions: NDArray[np.float64] | None = None
    cell: NDArray[np.float64] | None = None
    energy: float | None = None
    forces: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    electrons_failed: bool = False

    @property
    def begun(self) -> bool:
        """Whether anything of it was computed."""
        return self.energy is not None or self.electrons_failed


@dataclass
class PwOutput:
    """What pw.x printed.

    Attributes:
        version: of pw.x, None where it is not printed.
        hubbard: U in eV by manifold, such as ``Co-3d``; empty without U.
        symbols: names of the atoms.
        first: positions before the first step, Cartesian, Å, seven digits of the lattice parameter, ``(m, 3)``.
        md5: of the pseudopotentials, in the order of the species.
        steps: geometries, in order, those that were not computed too.
        converged: whether the relaxation met its criteria.
        single: whether it was a single point, without a move of atoms or cell.
        ended: whether the program came to its end.
    """

    version: tuple[int, int] | None = None
    hubbard: dict[str, float] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)
    first: NDArray[np.float64] | None = None
    md5: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=lambda: [Step()])
    converged: bool = False
    single: bool = True
    ended: bool = False


def read_stdout(lines: Iterable[str]) -> PwOutput:
    """Read the ionic steps.

    Args:
        lines: of the standard output.

    Returns:
        What could be read; of something else than pw.x's output no version and no computed step.
    """
    found = PwOutput()
    rest = _Lines(lines)
    alat, final = float("nan"), False
    for line in rest:
        if "total energy" in line and (match := _ENERGY.match(line)):
            if not final:
                found.steps[-1].energy = printed_number(match.group(1)) * RYDBERG
        elif "Forces acting on atoms" in line:
            if not final:
                found.steps[-1].forces = _forces(rest)
        elif "total   stress" in line:
            if not final:
                found.steps[-1].stress = _rows(rest, 3) * RY_PER_BOHR3
        elif line.startswith(("ATOMIC_POSITIONS", "CELL_PARAMETERS")):
            _geometry(found, line, rest, alat, final)
        elif "convergence NOT achieved" in line:
            if not final:
                found.steps[-1].electrons_failed = True
        elif "BFGS Geometry Optimization" in line or "Dynamics Calculation" in line:
            found.single = False
            final = final or "End of" in line  # what follows repeats the last geometry, or is the next one
        elif "bfgs converged in" in line or "Dynamics: convergence achieved in" in line:
            found.converged = True
        elif "End of damped dynamics" in line:
            final = True
        elif "JOB DONE" in line:
            found.ended = True
        elif found.first is None or not found.steps[-1].begun:
            if match := _VERSION.search(line):
                found.version = (int(match.group(1)), int(match.group(2)))
            elif match := _ALAT.search(line):
                alat = printed_number(match.group(1)) * BOHR
            elif match := _MD5.search(line):
                found.md5.append(match.group(1))
            elif "Hubbard parameters of DFT+U" in line:
                found.hubbard = _hubbard(rest)
            elif "positions (alat units)" in line and found.first is None:
                found.symbols, found.first = _sites(rest, alat)
    return found


class _Lines:
    """Lines that can be put back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = iter(lines)
        self.back: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self.back.pop() if self.back else next(self.lines)[:MAX_LINE]

    def put_back(self, line: str) -> None:
        self.back.append(line)


def _geometry(found: PwOutput, header: str, rest: _Lines, alat: float, final: bool) -> None:
    """Read a card with positions or a cell; either begins the next step."""
    positions = header.startswith("ATOMIC_POSITIONS")
    values = _atoms(rest) if positions else _rows(rest, 3)
    if final:
        return
    if found.steps[-1].begun:
        found.steps.append(Step())
    step = found.steps[-1]
    match = _UNIT.search(header)
    unit = float("nan")
    if match is not None:
        named = {"angstrom": 1.0, "bohr": BOHR, "alat": alat}
        unit = (
            printed_number(match.group(1)) * BOHR if match.group(1) else named.get(match.group(2).lower(), float("nan"))
        )
    if positions:
        step.positions = values * unit
    else:
        step.cell = values * unit


def _forces(rest: _Lines) -> NDArray[np.float64]:
    """Read the first block below the title: those that follow are the terms of the sum, and look the same."""
    rows: list[list[float]] = []
    for line in rest:
        match = _FORCE.match(line)
        if match:
            rows.append([printed_number(word) for word in _words(match.group(1))])
        elif rows or line.strip():
            rest.put_back(line)
            break
    return _array(rows) * RY_PER_BOHR


def _rows(rest: _Lines, count: int) -> NDArray[np.float64]:
    """Read rows whose first three words are numbers."""
    rows = []
    for _ in range(count):
        line = next(rest, "")
        rows.append([printed_number(word) for word in _words(line)[:3]])
    return _array(rows)


def _atoms(rest: _Lines) -> NDArray[np.float64]:
    rows = []
    for line in rest:
        words = line.split()
        if len(words) not in (4, 7) or not words[0][0].isalpha():
            rest.put_back(line)
            break
        rows.append([printed_number(word) for word in words[1:4]])
    return _array(rows)


def _sites(rest: _Lines, alat: float) -> tuple[list[str], NDArray[np.float64]]:
    symbols, rows = [], []
    for line in rest:
        match = _TAU.match(line)
        if match is None:
            rest.put_back(line)
            break
        symbols.append(match.group(1))
        rows.append([printed_number(word) for word in _words(match.group(2))])
    return symbols, _array(rows) * alat


def _hubbard(rest: _Lines) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in rest:
        match = _HUBBARD.match(line)
        if match is None:
            rest.put_back(line)
            break
        found[match.group(1)] = printed_number(match.group(2))
    return found


def _words(text: str) -> list[str]:
    """Split numbers of a fixed width, which may touch where one is negative: ``-1.23-4.56``."""
    return re.sub(r"(?<=\d)-", " -", text).split()


def _array(rows: list[list[float]]) -> NDArray[np.float64]:
    """Return ``(n, 3)``; rows of other lengths (cut, or run into stars) are not numbers."""
    whole = [row if len(row) == 3 else [float("nan")] * 3 for row in rows]
    return np.array(whole, dtype=np.float64).reshape(-1, 3)


def energy_in(line: str) -> float | None:
    """Return the energy in a line that ends an ionic step, eV; NaN for stars, None if it is another line."""
    match = _ENERGY.match(line)
    return printed_number(match.group(1)) * RYDBERG if match else None
