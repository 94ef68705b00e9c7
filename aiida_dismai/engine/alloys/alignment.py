"""Laying the lattice on a structure in three ways: as it is, shifted, turned and shifted.

All atoms have a say in shift and rotation, so that neither displaced atoms nor the order of atoms matter. The
authors' shift, which is that of the single atom nearest the origin, is here too (``compat``); their rotation, which is
read off the first atom in file order that has six suitable neighbours, is not: it changes with the order of atoms.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .assignment import assign, best_shift, rounding_reach
from .fragment import fit_fragment
from .lattice import Lattice, LatticeError
from .orientation import find_rotation
from .supercell import Supercell, fit_cell

#: Alignments by the integer code that per-structure arrays hold.
CODES = {"none": 0, "translate": 1, "rotate": 2}
#: Atoms that propose a shift of the lattice.
SEEDS = 48
#: A turned lattice is taken for one that repeats with the cell when that needs no more strain and turning than this.
TURNED_STRAIN = 0.06
#: What a lattice with a seam must keep more than one without, as a share of the atoms.
SEAM_GAIN = 0.02
#: The authors' shift is that of the atom nearest the origin, at most this far, Å, and less by this much (in units of
#: the cell; public script).
COMPAT_REACH, COMPAT_OFFSET = 5.0, 1e-6


@dataclass(frozen=True, eq=False)
class Frame:
    """What the alignments work on: the atoms of one structure.

    Attributes:
        fractional: ``(n, 3)`` in [0, 1).
        cell: ``(3, 3)``, Å.
        lattice: to be found in it.
        margin: Å.
    """

    fractional: NDArray[np.float64]
    cell: NDArray[np.float64]
    lattice: Lattice
    margin: float


@dataclass(frozen=True, eq=False)
class Fit:
    """A lattice laid on a structure.

    Attributes:
        kind: ``none``, ``translate`` or ``rotate``.
        rotation: ``(3, 3)``: the site ``n + basis[b]`` is at ``(n + basis[b]) @ cell @ rotation + translation``, up
            to the strain that fits the lattice into the cell.
        translation: ``(3,)``, Å.
        supercell: numbering of the sites; None where the lattice does not repeat with the cell.
        positions: ``(sites, 3)``, Å.
        basis: ``(sites,)`` basis index of each site.
        site: ``(n,)`` site of each atom; -1 off the lattice, -2 where the site has a nearer atom.
        rms: root mean square distance of the atoms on sites from them, Å (0 when there are none).
    """

    kind: str
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    supercell: Supercell | None
    positions: NDArray[np.float64]
    basis: NDArray[np.int64]
    site: NDArray[np.int64]
    rms: float

    @property
    def kept(self) -> int:
        """Number of atoms on sites."""
        return int((self.site >= 0).sum())

    @property
    def mismatch(self) -> int:
        """Number of atoms off the lattice and of empty sites."""
        return len(self.site) + len(self.positions) - 2 * self.kept


def as_it_is(frame: Frame, compat: bool = False) -> Fit:
    """Take the lattice with a site at the origin, oriented as it is; ``compat`` changes nothing.

    Raises:
        LatticeError: the cell is not a supercell of the lattice in this orientation.
    """
    supercell, vectors = fit_cell(frame.cell, frame.lattice)
    return _on_supercell(frame, "none", supercell, vectors, np.eye(3), np.zeros(3))


def shifted(frame: Frame, compat: bool = False) -> Fit:
    """Shift the lattice to where it fits all atoms best, or (``compat``) onto the atom nearest the origin.

    Raises:
        LatticeError: the cell is not a supercell of the lattice in this orientation, or (``compat``) no atom is near
            the origin.
    """
    supercell, vectors = fit_cell(frame.cell, frame.lattice)
    shift = _authors_shift(frame, vectors) if compat else _shift(frame, vectors)
    return _on_supercell(frame, "translate", supercell, vectors, np.eye(3), shift)


def turned(frame: Frame, compat: bool = False) -> Fit:
    """Turn and shift the lattice to where it fits all atoms best; ``compat`` changes nothing (see the module).

    A lattice that repeats with the cell has no seam, and is preferred: another must keep at least three atoms and
    :data:`SEAM_GAIN` of all atoms more, and leave fewer atoms and sites unpaired.

    Raises:
        LatticeError: no orientation fits.
    """
    n = len(frame.fractional)
    enough = n - max(3.0, SEAM_GAIN * n)
    best: Fit | None = None
    with contextlib.suppress(LatticeError):  # the cell may fit a turned lattice only
        best = shifted(frame)
    if best is None or best.kept <= enough:
        rotation = find_rotation(frame.fractional @ frame.cell, frame.cell, frame.lattice)
        if rotation is None and best is None:
            raise LatticeError("no atom has the neighbours of a lattice site")
        if rotation is not None:
            best = _turned(frame, rotation, best, enough)
    assert best is not None
    return replace(best, kind="rotate")


def _turned(frame: Frame, rotation: NDArray[np.float64], best: Fit | None, enough: float) -> Fit:
    """Return the best of the fit so far and of those turned by about ``rotation``."""
    try:
        supercell, vectors = fit_cell(frame.cell, frame.lattice, rotation, TURNED_STRAIN)
        true_rotation = frame.lattice.representative(_rotation_of(frame.lattice.cell, vectors))
        fit = _on_supercell(frame, "rotate", supercell, vectors, true_rotation, _shift(frame, vectors))
        if best is None or fit.mismatch < best.mismatch:
            best = fit
    except LatticeError:
        pass  # turned like this it does not repeat with the cell
    if best is not None and best.kept > enough:
        return best
    try:
        seamed = _with_seam(frame, rotation)
    except LatticeError:
        if best is None:
            raise
        return best
    gain = len(frame.fractional) - enough
    if best is None or (seamed.kept >= best.kept + gain and seamed.mismatch < best.mismatch):
        return seamed
    return best


def _on_supercell(
    frame: Frame,
    kind: str,
    supercell: Supercell,
    vectors: NDArray[np.float64],
    rotation: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> Fit:
    """Put the atoms on the sites of a supercell; ``shift`` in units of the lattice vectors."""
    inverse = np.linalg.inv(vectors)
    basis = frame.lattice.basis
    units = frame.fractional @ (frame.cell @ inverse)
    reach = rounding_reach(inverse, frame.margin)
    site, squared = assign(units, shift, basis, vectors, reach, frame.margin, supercell.hermite, supercell.n_sites)
    positions = (supercell.points + basis[supercell.basis] + shift) @ vectors
    positions -= np.floor(positions @ np.linalg.inv(frame.cell) + 1e-9) @ frame.cell
    kept = int((site >= 0).sum())
    rms = float(np.sqrt(squared / kept)) if kept else 0.0
    return Fit(kind, rotation, shift @ vectors, supercell, positions, supercell.basis, site, rms)


def _with_seam(frame: Frame, rotation: NDArray[np.float64]) -> Fit:
    fragment = fit_fragment(frame.fractional, frame.cell, frame.lattice, rotation, frame.margin, SEEDS)
    kept = int((fragment.site >= 0).sum())
    rms = float(np.sqrt(fragment.squared / kept)) if kept else 0.0
    return Fit(
        "rotate", fragment.rotation, fragment.translation, None, fragment.positions, fragment.basis, fragment.site, rms
    )


def _shift(frame: Frame, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shift that fits all atoms best, in units of the lattice vectors, each in [0, 1)."""
    inverse = np.linalg.inv(vectors)
    units = frame.fractional @ (frame.cell @ inverse)
    reach = rounding_reach(inverse, frame.margin)
    shift = best_shift(units, frame.lattice.basis, vectors, inverse, reach, frame.margin, SEEDS)
    return np.asarray(shift - np.floor(shift + 1e-9))


def _authors_shift(frame: Frame, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shift onto the atom nearest the origin, in units of the lattice vectors."""
    nearest, shift = COMPAT_REACH, None
    images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    for image in images:
        # the authors look from a point a hair off the origin
        gaps = frame.fractional + image - COMPAT_OFFSET
        distances = np.linalg.norm(gaps @ frame.cell, axis=1)
        atom = int(distances.argmin())
        if distances[atom] < nearest:
            nearest, shift = float(distances[atom]), gaps[atom]
    if shift is None:
        raise LatticeError(f"no atom within {COMPAT_REACH:g} Å of the origin, from which the authors take the shift")
    return np.asarray(shift @ frame.cell @ np.linalg.inv(vectors))


def _rotation_of(primitive: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation in the map from one cell to another, without the strain."""
    left, _, right = np.linalg.svd(np.linalg.solve(primitive, vectors))
    return np.asarray(left @ right)
