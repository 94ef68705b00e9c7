"""LAMMPS data files: the atoms and the cell, elements by label, comment or mass, or as given.

Read here and not by ASE, which takes the atom style on trust and drops atoms beyond the number in the header.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .elements import atomic_numbers
from .lammps_types import AtomTypes
from .source import Lines, open_bytes

#: Columns before the coordinates by atom style: i integer, t type, r real.
STYLES = {"atomic": "it", "charge": "itr", "molecular": "iit", "bond": "iit", "angle": "iit", "full": "iitr"}
#: Styles that may stand behind other columns of the same number.
OTHERS = {7: "sphere, ellipsoid or line", 9: "dipole"}
#: Sections of the file that hold or describe atoms; all others are left out.
SECTION = re.compile(r"[A-Z][A-Za-z]*(?: [A-Za-z]+)*(?:/[A-Za-z]+)*")
COUNT = re.compile(r"(\d+)\s+(atoms|atom types)\s*$")
BOUNDS = re.compile(r"(\S+)\s+(\S+)\s+([xyz])lo\s+([xyz])hi\s*$")
TILT = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+xy\s+xz\s+yz\s*$")
VECTOR = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+([abc])vec\s*$")
LENGTH_IN_ANGSTROM = ("metal", "real")


def is_lammps_data(path: Path) -> bool:
    """Say whether a file is a LAMMPS data file, by its first lines, whatever its name."""
    try:
        with open_bytes(path) as handle:
            beginning = handle.read(16384).decode("utf-8", errors="replace")
    except (OSError, EOFError, BadInput):
        return False
    lines = beginning.splitlines()[1:200]
    plain = [line.partition("#")[0].strip() for line in lines]
    return any(COUNT.fullmatch(line) for line in plain) and any(
        line.endswith(("xlo xhi", "avec")) or line == "Atoms" for line in plain
    )


def read_lammps_data(path: Path, element: str | None = None) -> StructureSet:
    """Read a data file of atom style atomic, charge, molecular, bond, angle or full; periodic along all axes.

    Velocities, charges, bonds and the like are left out, image flags too; atoms are in the order of their ids.

    Args:
        path: of the file.
        element: symbol of all atoms, where the file does not say it.

    Raises:
        BadInput: unreadable, another atom style or one that cannot be recognised, a number of atoms that is not that of
            the header, or elements that cannot be determined.
    """
    file = _File(path)
    found = _Atoms(file)
    symbols = {kind: file.types.symbol(kind, element) for kind in sorted(set(found.kinds.tolist()))}
    numbers = dict(zip(symbols, atomic_numbers(list(symbols.values()), file.where), strict=True))
    order = np.argsort(found.ids, kind="stable")
    return StructureSet.from_uniform(
        [numbers[kind] for kind in found.kinds[order].tolist()], found.positions[order][None], file.cell
    )


class _File:
    """The header, the sections that matter, and their lines."""

    def __init__(self, path: Path) -> None:
        self.where = visible(path)
        self.types = AtomTypes(self.where)
        self.counts: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.bounds: dict[str, tuple[float, float]] = {}
        self.tilt = (0.0, 0.0, 0.0)
        self.vectors: dict[str, list[float]] = {}
        self.style: str | None = None
        self.rows: list[tuple[int, list[str]]] = []
        self.seen: set[str] = set()
        with Lines(path) as lines:
            self._read(lines)
        if "Atoms" not in self.seen:
            raise BadInput(f"{self.where}: no section Atoms")
        if "atoms" not in self.counts:
            raise BadInput(f"{self.where}: the header does not say how many atoms there are")
        if len(self.rows) != self.counts["atoms"]:
            raise BadInput(
                f"{self.where}: the header says {self.counts['atoms']} atoms, the section Atoms has {len(self.rows)}; "
                "the "
                "file is truncated, or was edited"
            )
        self.cell = self._cell()

    def _read(self, lines: Lines) -> None:
        title = lines.next() or ""
        if (units := re.search(r"units\s*=\s*(\w+)", title)) and units[1] not in LENGTH_IN_ANGSTROM:
            raise lines.refusal(f"units {units[1]} are not read; only metal and real have lengths in Å")
        section = ""
        for line in lines:
            content, _, comment = line.partition("#")
            words = content.split()
            if not words:
                continue
            if SECTION.fullmatch(content.strip()) and not (section == "Atoms" and words[0].isdigit()):
                section = " ".join(words)
                if section in self.seen:
                    raise lines.refusal(f"a second section {section}")
                self.seen.add(section)
                if section == "Atoms" and comment.split():
                    self.style = self._style(lines, comment.split()[0])
                continue
            try:
                if not section:
                    self._header(content, lines)
                elif section == "Atom Type Labels":
                    self.types.labels[_whole(words[0])] = words[1]
                    self.kinds.setdefault(words[1], _whole(words[0]))
                elif section == "Masses":
                    self._mass(words, comment)
                elif section == "Atoms":
                    self.rows.append((lines.number, words))
            except (ValueError, IndexError) as error:
                raise lines.refusal(
                    f"section {section or 'header'} is not as LAMMPS writes it: '{visible(line, 80)}'"
                ) from error

    def _style(self, lines: Lines, style: str) -> str:
        if style not in STYLES:
            raise lines.refusal(
                f"atom style '{visible(style, 40)}' is not read; write the file with atom_style {', '.join(STYLES)}, "
                "or "
                "convert it to extxyz"
            )
        return style

    def _header(self, content: str, lines: Lines) -> None:
        text = content.strip()
        if count := COUNT.fullmatch(text):
            self.counts[count[2]] = int(count[1])
        elif bounds := BOUNDS.fullmatch(text):
            if bounds[3] != bounds[4]:
                raise ValueError(text)
            self.bounds[bounds[3]] = (float(bounds[1]), float(bounds[2]))
        elif tilt := TILT.fullmatch(text):
            self.tilt = (float(tilt[1]), float(tilt[2]), float(tilt[3]))
        elif vector := VECTOR.fullmatch(text):
            self.vectors[vector[4]] = [float(vector[i]) for i in (1, 2, 3)]

    def _mass(self, words: list[str], comment: str) -> None:
        kind = self.kind(words[0])
        self.types.masses[kind] = float(words[1])
        if comment.split():
            self.types.comments[kind] = comment.split()[0]

    def kind(self, word: str) -> int:
        """Return an atom type, given as number or label."""
        kind = self.kinds.get(word)
        return _whole(word) if kind is None else kind

    def _cell(self) -> NDArray[Any]:
        if len(self.vectors) == 3:
            return np.array([self.vectors[axis] for axis in "abc"])
        missing = [axis for axis in "xyz" if axis not in self.bounds]
        if missing:
            raise BadInput(f"{self.where}: the header does not say the box ({missing[0]}lo {missing[0]}hi)")
        low, high = np.array([self.bounds[axis] for axis in "xyz"]).T
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).all()):
            raise BadInput(f"{self.where}: the box has no volume ({low.tolist()} to {high.tolist()})")
        xy, xz, yz = self.tilt
        (a, b, c) = high - low
        return np.array([[a, 0, 0], [xy, b, 0], [xz, yz, c]])


def _whole(word: str) -> int:
    if not (word.isascii() and word.lstrip("+-").isdigit() and len(word) < 19):
        raise ValueError(word)
    return int(word)


class _Atoms:
    """The section Atoms: ids and types, ``(n,)``, and positions, ``(n, 3)``."""

    def __init__(self, file: _File) -> None:
        widths = sorted({len(words) for _, words in file.rows})
        if len(widths) > 1:
            odd = next(number for number, words in file.rows if len(words) != len(file.rows[0][1]))
            raise BadInput(
                f"{file.where}: line {odd}: the lines of Atoms have {widths} columns; all must have the same"
            )
        styles = [file.style] if file.style else self._possible(file, widths[0] if widths else 5)
        layout = STYLES[styles[0]]
        n = len(file.rows)
        self.ids, self.kinds = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.positions = np.zeros((n, 3))
        types = file.counts.get("atom types")
        for i, (number, words) in enumerate(file.rows):
            try:
                _check_images(words, layout)
                self.ids[i], self.kinds[i] = _whole(words[0]), file.kind(words[layout.index("t")])
                self.positions[i] = [float(word) for word in words[len(layout) : len(layout) + 3]]
            except (ValueError, IndexError, OverflowError) as error:
                raise BadInput(
                    f"{file.where}: line {number}: not an atom of style {styles[0]}: '{visible(' '.join(words), 80)}'"
                ) from error
            if self.kinds[i] < 1 or (types is not None and self.kinds[i] > types):
                raise BadInput(
                    f"{file.where}: line {number}: atom type {self.kinds[i]}, but the header says {types} types"
                )
        if len(np.unique(self.ids)) != n:
            doubled = next(k for k, group in itertools.groupby(sorted(self.ids.tolist())) if len(list(group)) > 1)
            raise BadInput(f"{file.where}: two atoms have the id {doubled}")

    def _possible(self, file: _File, width: int) -> Sequence[str]:
        """Return the atom style that the columns tell.

        Raises:
            BadInput: none or several may be meant.
        """
        layouts = {layout: style for style, layout in reversed(STYLES.items())}
        fitting = [
            style
            for layout, style in layouts.items()
            if width in (len(layout) + 3, len(layout) + 6)
            and all(self._fits(file, words, layout) for _, words in file.rows)
        ]
        if len(fitting) == 1:
            return fitting
        reason = (
            f"its {width} columns may be of atom style {' or '.join(sorted(fitting))}"
            if fitting
            else f"its {width} columns are of no atom style that is read"
            + (f" ({OTHERS[width]}?)" if width in OTHERS else "")
        )
        raise BadInput(
            f"{file.where}: section Atoms: {reason}; write the style behind the name of the section, for instance "
            f"'Atoms # {fitting[0] if fitting else 'atomic'}'"
        )

    @staticmethod
    def _fits(file: _File, words: list[str], layout: str) -> bool:
        types = file.counts.get("atom types", 10**6)
        try:
            _check_images(words, layout)
            for word, column in zip(words, layout, strict=False):
                if column == "i":
                    _whole(word)
                elif column == "r":
                    float(word)
                elif not 1 <= file.kind(word) <= types:
                    return False
        except ValueError:
            return False
        return True


def _check_images(words: list[str], layout: str) -> None:
    """Refuse columns behind the coordinates that are no image flags."""
    rest = words[len(layout) + 3 :]
    if len(rest) not in (0, 3):
        raise ValueError(rest)
    for word in rest:
        _whole(word)
