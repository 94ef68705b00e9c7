"""Reading INCAR, POSCAR, KPOINTS and POTCAR, and refusing what does not fit together, as VASP does."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import BadInput
from ..engine.text import visible
from ..engine.untrusted import open_file, reason_of

#: Bytes of an input file, k-points or numbers of a list, and the largest whole number.
MAX_BYTES, MAX_POINTS, LARGEST = 64 * 2**20, 1_000_000, 2**31
#: Relaxations that the stand-in knows: no movement, quasi-Newton, conjugate gradient, damped.
SUPPORTED_IBRION = (-1, 1, 2, 3)
#: Degrees of freedom that it knows: positions (0–2), all (3), fixed volume (4), positions and volume (8).
SUPPORTED_ISIF = (0, 1, 2, 3, 4, 8)
#: Tags with one value for each species.
PER_SPECIES = ("LDAUL", "LDAUU", "LDAUJ")


@dataclass(frozen=True)
class Incar:
    """The tags of an INCAR, names in capitals, values as written."""

    tags: dict[str, str]

    def real(self, name: str, default: float) -> float:
        """Return a real number (Fortran's ``1.0d-5`` is understood)."""
        if name not in self.tags:
            return default
        word = (self.tags[name].split() or [""])[0]
        try:
            value = float(word.lower().replace("d", "e"))
            if not math.isfinite(value):
                raise ValueError("not finite")
            return value
        except ValueError as error:
            raise BadInput(f"INCAR: {name} = {visible(self.tags[name], 60)} is not a number") from error

    def integer(self, name: str, default: int) -> int:
        """Return an integer."""
        value = self.real(name, default)
        if not abs(value) < LARGEST or value != int(value):
            raise BadInput(f"INCAR: {name} = {visible(self.tags[name], 60)} is not an integer that is used here")
        return int(value)

    def numbers(self, name: str) -> list[float]:
        """Return a list of numbers, with VASP's ``3*0.6`` for three times 0.6."""
        values: list[float] = []
        for word in self.tags[name].split():
            count, star, value = word.partition("*")
            try:
                times = int(count) if star else 1
                if times > MAX_POINTS - len(values):
                    raise ValueError("too long")
                values += [float(value if star else word)] * times
            except ValueError as error:
                given = visible(self.tags[name], 60)
                raise BadInput(f"INCAR: {name} = {given} is not a list of at most {MAX_POINTS} numbers") from error
        return values


@dataclass(frozen=True)
class Poscar:
    """Positions and what may move.

    Attributes:
        comment: first line.
        cell: rows are the lattice vectors, Å, ``(3, 3)``.
        fractional: ``(n, 3)``.
        groups: element and count of each block of atoms, in order.
        free: whether an atom may move along each lattice vector, ``(n, 3)``.
        selective: whether the file has selective dynamics.
    """

    comment: str
    cell: NDArray[np.float64]
    fractional: NDArray[np.float64]
    groups: list[tuple[str, int]]
    free: NDArray[np.bool_]
    selective: bool

    @property
    def symbols(self) -> list[str]:
        """Element of each atom."""
        return [symbol for symbol, count in self.groups for _ in range(count)]


@dataclass(frozen=True)
class Potential:
    """Header of one potential: title, element, and its numbers (eV, valence electrons, u)."""

    title: str
    element: str
    enmax: float
    zval: float
    mass: float


@dataclass(frozen=True)
class Kpoints:
    """Reciprocal-space mesh; it changes no number of the stand-in, but is written out as VASP does."""

    style: str
    mesh: tuple[int, int, int] | None
    shift: tuple[float, float, float]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """One run: the four inputs and the tags that the stand-in acts on.

    Attributes:
        nsw: number of ionic steps at most.
        ibrion: kind of relaxation, see :data:`SUPPORTED_IBRION`.
        isif: degrees of freedom, see :data:`SUPPORTED_ISIF`.
        ediffg: stop at this force (negative, eV/Å) or change of energy (positive, eV).
        nelm: electronic steps at most.
    """

    incar: Incar
    poscar: Poscar
    potentials: list[Potential]
    kpoints: Kpoints
    nsw: int
    ibrion: int
    isif: int
    ediffg: float
    nelm: int


def read_job(folder: Path) -> Job:
    """Read the four input files.

    Raises:
        BadInput: a file is missing or unreadable, POSCAR and POTCAR name other elements, a list in the
            INCAR has the wrong length, or a kind of relaxation is asked for that the stand-in does not know.
    """
    incar = parse_incar(_text(folder / "INCAR"))
    poscar = parse_poscar(_text(folder / "POSCAR"))
    potentials = parse_potcar(_text(folder / "POTCAR"))
    kpoints = parse_kpoints(_text(folder / "KPOINTS"))
    found = [potential.element for potential in potentials]
    wanted = [symbol for symbol, _ in poscar.groups]
    if found != wanted:
        raise BadInput(
            f"POTCAR and POSCAR do not fit: the potentials are for {' '.join(found) or 'nothing'}, "
            f"the blocks of atoms are {' '.join(wanted)}; put the potentials in the order of the POSCAR"
        )
    _check_lengths(incar, poscar)
    nsw = incar.integer("NSW", 0)
    ibrion = incar.integer("IBRION", -1 if nsw <= 1 else 0)
    if ibrion not in SUPPORTED_IBRION:
        raise BadInput(f"INCAR: IBRION = {ibrion} is not known to the stand-in; it knows {SUPPORTED_IBRION}")
    isif = incar.integer("ISIF", 2)
    if isif not in SUPPORTED_ISIF:
        raise BadInput(f"INCAR: ISIF = {isif} is not known to the stand-in; it knows {SUPPORTED_ISIF}")
    ediffg = incar.real("EDIFFG", 10 * incar.real("EDIFF", 1e-4))
    return Job(incar, poscar, potentials, kpoints, nsw, ibrion, isif, ediffg, incar.integer("NELM", 60))


def _text(path: Path) -> str:
    where = visible(path.parent.resolve())
    try:
        with open_file(path) as handle:
            content = handle.read(MAX_BYTES + 1)
        text = content.decode()
    except FileNotFoundError as error:
        raise BadInput(f"{path.name} is missing in {where}") from error
    except OSError as error:
        raise BadInput(f"{path.name} in {where}: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name} in {where}: not text in UTF-8, at byte {error.start}") from error
    if len(content) > MAX_BYTES:
        raise BadInput(f"{path.name} in {where}: larger than {MAX_BYTES} bytes")
    return text.replace("\r\n", "\n")


def _check_lengths(incar: Incar, poscar: Poscar) -> None:
    expected = {"MAGMOM": len(poscar.free)} | dict.fromkeys(PER_SPECIES, len(poscar.groups))
    for name, length in expected.items():
        if name in incar.tags and len(incar.numbers(name)) != length:
            raise BadInput(f"INCAR: {name} has {len(incar.numbers(name))} values, {length} are needed")


def parse_incar(text: str) -> Incar:
    """Read ``TAG = value``, several a line with ``;``, comments after ``#`` or ``!``, backslash at a line's end."""
    tags = {}
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"[#!]", line)[0].split(";"):
            name, equals, value = part.partition("=")
            if equals:
                tags[name.strip().upper()] = value.strip()
    return Incar(tags)


def parse_poscar(text: str) -> Poscar:
    """Read a POSCAR of VASP 5 or later (with the line of elements).

    Raises:
        BadInput: the file is cut short or a line is not what the format wants there.
    """
    lines = text.splitlines()
    try:
        scale = float(lines[1].split()[0])
        cell = np.array([[float(word) for word in lines[row].split()[:3]] for row in (2, 3, 4)])
        if scale < 0 and np.linalg.det(cell):  # VASP: minus the volume of the cell
            scale = (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
        cell = cell * scale
        if not (np.isfinite(cell).all() and abs(np.linalg.det(cell)) > 0):
            raise ValueError("its cell has no volume")
        elements = [_element(word) for word in lines[5].split()]
        counts = [int(word) for word in lines[6].split()]
        selective = lines[7].strip()[:1].lower() == "s"
        mode = 8 if selective else 7
        cartesian = lines[mode].strip()[:1].lower() in ("c", "k")
        rows = [line.split() for line in lines[mode + 1 : mode + 1 + sum(counts)]]
        coordinates = np.array([[float(word) for word in row[:3]] for row in rows]).reshape(-1, 3)
        free = np.array([[_moves(row, axis) if selective else True for axis in (3, 4, 5)] for row in rows])
    except (IndexError, ValueError, ZeroDivisionError, OverflowError) as error:
        reason = visible(error, 160)
        raise BadInput(f"POSCAR is not readable ({reason}); it must have the line of elements of VASP 5") from error
    if len(elements) != len(counts) or len(rows) != sum(counts) or not rows:
        raise BadInput(f"POSCAR: {len(elements)} elements, {len(counts)} counts and {len(rows)} atoms do not fit")
    fractional = coordinates * scale @ np.linalg.inv(cell) if cartesian else coordinates
    groups = list(zip(elements, counts, strict=True))
    if not np.isfinite(fractional).all():
        raise BadInput("POSCAR: a position is not a finite number")
    return Poscar(visible(lines[0].strip()), cell, fractional, groups, free.reshape(-1, 3), selective)


def _element(label: str) -> str:
    match = re.match(r"[A-Z][a-z]?", label)
    if match is None:
        raise ValueError(f"'{visible(label, 40)}' does not begin with an element")
    return match.group(0)


def _moves(row: list[str], column: int) -> bool:
    return row[column].strip(".").upper().startswith("T")


def parse_potcar(text: str) -> list[Potential]:
    """Read the headers of all potentials in a POTCAR.

    Raises:
        BadInput: no potential, or one without TITEL, ENMAX, ZVAL or POMASS.
    """
    potentials = []
    for block in text.split("End of Dataset"):
        if "TITEL" not in block:
            continue
        found = {name: re.search(rf"{name}\s*=\s*([^;\n]+)", block) for name in ("TITEL", "ENMAX", "ZVAL", "POMASS")}
        values = {name: match.group(1).strip() for name, match in found.items() if match is not None}
        try:
            title = visible(values["TITEL"], 80)
            numbers = [float(values[name].split()[0]) for name in ("ENMAX", "ZVAL", "POMASS")]
            potentials.append(Potential(title, _element(title.split()[1]), *numbers))
        except (KeyError, IndexError, ValueError) as error:
            raise BadInput(
                f"POTCAR: the header of potential {len(potentials) + 1} is not readable ({visible(error, 160)})"
            ) from error
    if not potentials:
        raise BadInput("POTCAR holds no potential (no line with TITEL)")
    return potentials


def parse_kpoints(text: str) -> Kpoints:
    """Read a Γ-centred or Monkhorst–Pack mesh, or an explicit list in reciprocal coordinates.

    Raises:
        BadInput: any other kind of KPOINTS file.
    """
    lines = text.splitlines()
    try:
        count, style = int(lines[1].split()[0]), lines[2].strip()[:1].lower()
        if count > 0 and style not in ("c", "k", "l"):
            rows = np.array([[float(word) for word in line.split()[:4]] for line in lines[3 : 3 + count]])
            return Kpoints("listgenerated", None, (0.0, 0.0, 0.0), rows[:, :3], rows[:, 3] / rows[:, 3].sum())
        if count == 0 and style in ("g", "m"):
            mesh = np.array([min(int(word), MAX_POINTS + 1) for word in lines[3].split()[:3]])
            if mesh.shape != (3,) or mesh.min() < 1 or np.prod(mesh.astype(float)) > MAX_POINTS:
                raise ValueError(f"three numbers from 1 with a product of at most {MAX_POINTS} are wanted")
            extra = lines[4].split() if len(lines) > 4 else []
            shift = np.array([float(word) for word in extra[:3]] or [0.0, 0.0, 0.0])
            # Monkhorst and Pack's own mesh avoids Γ for even divisions.
            base = shift + (0.5 * (1 - mesh % 2) if style == "m" else 0.0)
            grid = np.stack(np.meshgrid(*[np.arange(n) for n in mesh], indexing="ij"), axis=-1).reshape(-1, 3)
            name = "Gamma" if style == "g" else "Monkhorst-Pack"
            points = (grid + base) / mesh
            return Kpoints(
                name,
                (int(mesh[0]), int(mesh[1]), int(mesh[2])),
                (float(shift[0]), float(shift[1]), float(shift[2])),
                points,
                np.full(len(points), 1 / len(points)),
            )
    except (IndexError, ValueError, ZeroDivisionError) as error:
        raise BadInput(f"KPOINTS is not readable ({visible(error, 160)})") from error
    raise BadInput("KPOINTS: only Γ-centred and Monkhorst–Pack meshes and explicit reciprocal lists are known")
