"""Clean-up of generated alloys: find the lattice, keep the atoms that sit on it, count the empty sites.

Atoms farther than the margin from every site are removed; of several atoms on one site the nearest stays. A
structure that loses too many atoms, or has too many empty sites, is rejected: it is not this alloy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .alignment import Fit, Frame, as_it_is, shifted, turned
from .lattice import Lattice, LatticeError
from .parameters import Align
from .supercell import MAX_SITES, Supercell, fit_cell

#: From the simplest to the most general.
ALIGNMENTS = {"none": as_it_is, "translate": shifted, "rotate": turned}
#: Coordinates and lattice vectors beyond this are as meaningless as NaN, Å.
LARGEST = 1e8


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the lattice lies in a structure.

    Attributes:
        kind: ``none``, ``translate`` or ``rotate``.
        rotation: ``(3, 3)`` proper rotation, the smallest of equivalent ones where the lattice repeats with the cell;
            lattice vectors become ``cell @ rotation``.
        translation: ``(3,)`` of the lattice's origin, Å.
        rms: root mean square distance of kept atoms from their sites, Å.
    """

    kind: str
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    rms: float


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A structure on its lattice.

    Attributes:
        kept: ``(atoms,)`` whether each atom of the structure stays.
        site: ``(atoms,)`` site of each atom, -1 for removed ones.
        species: ``(sites,)`` atomic number on each site, 0 for a vacancy.
        positions: ``(sites, 3)`` ideal positions, Å.
        basis: ``(sites,)`` basis index of each site.
        cell: ``(3, 3)``, Å.
        supercell: what the cell is of the lattice; None for a turned lattice that does not repeat with the cell
            (its sites are then those inside the cell, and it has a seam at the faces).
        n_off: atoms off the lattice.
        n_double: atoms removed because their site has a nearer one.
        alignment: how the lattice lies.
    """

    kept: NDArray[np.bool_]
    site: NDArray[np.int64]
    species: NDArray[np.int64]
    positions: NDArray[np.float64]
    basis: NDArray[np.int64]
    cell: NDArray[np.float64]
    supercell: Supercell | None
    n_off: int
    n_double: int
    alignment: Alignment

    @property
    def n_removed(self) -> int:
        """Number of atoms removed."""
        return self.n_off + self.n_double

    @property
    def n_vacancies(self) -> int:
        """Number of empty sites."""
        return int((self.species == 0).sum())


def clean(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    numbers: NDArray[np.integer],
    lattice: Lattice,
    align: Align = "auto",
    margin: float = 0.8,
    max_removed: int = 50,
    compat: bool = False,
) -> Cleaned:
    """Put a structure on the lattice.

    The result does not depend on the order of the atoms, to the last digit.

    Args:
        positions: ``(n, 3)``, Å; need not lie in the cell.
        cell: ``(3, 3)``, periodic in all directions, Å.
        numbers: ``(n,)`` atomic numbers.
        lattice: the ideal one.
        align: see :class:`~.parameters.AlloyLatticeParameters`.
        margin: atoms up to this far from a site are on it, Å.
        max_removed: a structure with more atoms removed, or more sites empty, is rejected; so is one of whose
            atoms or sites more than half find no counterpart.
        compat: as the authors' scripts: ``translate`` puts a site on the atom nearest the origin, ``none`` and
            ``translate`` reject nothing on which an atom is left. ``rotate`` stays ours (theirs depends on the order
            of atoms), but rejects by the number of sites without an atom alone, as theirs.

    Raises:
        LatticeError: not a structure (empty, NaN, flat cell), a cell that fits no supercell, or rejected.
    """
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    cell = np.asarray(cell, dtype=np.float64).reshape(3, 3)
    numbers = np.asarray(numbers, dtype=np.int64)
    _refuse_hopeless(positions, cell, lattice)
    fractional = positions @ np.linalg.inv(cell)
    fractional -= np.floor(fractional)
    fractional[fractional >= 1.0] = 0.0  # what is a rounding error below 0
    # one order of the atoms whatever that of the file, so that every sum and tie comes out the same
    order = np.lexsort((numbers, *fractional.T[::-1]))
    frame = Frame(np.ascontiguousarray(fractional[order]), cell, lattice, margin)
    fit = _best_fit(frame, align, compat)
    site = np.full(len(positions), -1, dtype=np.int64)
    site[order] = fit.site
    kept = site >= 0
    species = np.zeros(len(fit.positions), dtype=np.int64)
    species[site[kept]] = numbers[kept]
    cleaned = Cleaned(
        kept=kept,
        site=np.maximum(site, -1),
        species=species,
        positions=fit.positions,
        basis=fit.basis,
        cell=cell,
        supercell=fit.supercell,
        n_off=int((site == -1).sum()),
        n_double=int((site == -2).sum()),
        alignment=Alignment(fit.kind, fit.rotation, fit.translation, fit.rms),
    )
    _refuse_bad(cleaned, lattice, max_removed, compat)
    return cleaned


def _refuse_hopeless(positions: NDArray[np.float64], cell: NDArray[np.float64], lattice: Lattice) -> None:
    if not len(positions):
        raise LatticeError("no atoms")
    if not ((np.abs(positions) < LARGEST).all() and (np.abs(cell) < LARGEST).all()):  # False for NaN
        raise LatticeError("NaN or absurd coordinates or lattice vectors")
    volume = abs(np.linalg.det(cell))
    areas = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    if not (volume > 0.5 * lattice.nearest * areas).all():
        raise LatticeError("a cell without volume, or thinner than half a nearest-neighbour distance")
    if volume > MAX_SITES * lattice.volume_per_site:
        raise LatticeError(f"the cell has room for more than {MAX_SITES} sites")


def _best_fit(frame: Frame, align: Align, compat: bool) -> Fit:
    """Return the fit asked for; for ``auto`` the one that keeps most atoms, the simplest of equals."""
    if align != "auto":
        return ALIGNMENTS[align](frame, compat)
    best: Fit | None = None
    reason = ""
    for lay in ALIGNMENTS.values():
        try:
            fit = lay(frame, compat)
        except LatticeError as error:
            reason = reason or str(error)  # the first says what is wrong with the cell
            continue
        if best is None or fit.kept > best.kept:
            best = fit
        if best.kept == len(frame.fractional):
            break
    if best is None:
        raise LatticeError(reason)
    return best


def _refuse_bad(cleaned: Cleaned, lattice: Lattice, max_removed: int, compat: bool) -> None:
    """Raise the reason for which a structure is rejected, if there is one."""
    atoms, sites, kept = len(cleaned.kept), len(cleaned.species), int(cleaned.kept.sum())
    removed, empty = cleaned.n_removed, cleaned.n_vacancies
    if kept == 0:
        raise LatticeError(f"rejected: none of {atoms} atoms is on a site of the lattice")
    if compat:
        if cleaned.alignment.kind != "rotate" or empty <= max_removed:
            return
    elif max(removed, empty) <= max_removed and removed <= atoms / 2 and empty <= sites / 2:
        return
    message = (
        f"rejected: {cleaned.n_off} atoms off the lattice, {cleaned.n_double} on taken sites, {empty} of {sites} sites "
        f"empty (alignment {cleaned.alignment.kind}; at most {max_removed} each, and half of them)"
    )
    if cleaned.supercell is None:
        try:
            fit_cell(cleaned.cell, lattice)
        except LatticeError as error:
            message += f"; {error}"
    raise LatticeError(message)
