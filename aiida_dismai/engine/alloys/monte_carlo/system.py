"""What is sampled: the expansion on the sites of a supercell, and how many atoms of each species; no Numba."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput, nearest
from ..expansion import Expansion, ExpansionFile, packaged_file, read_file
from ..lattice import TYPES, LatticeError
from ..supercell import Supercell, fit_cell
from .parameters import SampleParameters

#: More sites than this are taken for a mistake in ``supercell`` (the neighbour table takes about 1 kB a site).
MAX_SITES = 200_000


@dataclass(frozen=True, eq=False)
class System:
    """An alloy of fixed composition in a periodic cell.

    Attributes:
        expansion: on its lattice.
        supercell: the sites, numbered.
        cell: ``(3, 3)``, Å.
        amounts: atoms of each species of the expansion, ``(species,)``.
    """

    expansion: Expansion
    supercell: Supercell
    cell: NDArray[np.float64]
    amounts: NDArray[np.int64]

    @property
    def n_sites(self) -> int:
        """Number of sites, all occupied."""
        return self.supercell.n_sites

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Share of each species, ``(species,)``."""
        return self.amounts / self.amounts.sum()

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Sites inside the cell, ``(sites, 3)``, Å."""
        places = self.expansion.lattice.site_positions(self.supercell.points, self.supercell.basis)
        fractional = places @ np.linalg.inv(self.cell)
        # rounding must not put a site of the lower face on the upper one
        return (fractional - np.floor(fractional + 1e-9)) @ self.cell

    def ordered(self, species: NDArray[np.integer]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return atomic numbers and positions of an arrangement, atoms sorted by species as in the expansion.

        Args:
            species: ``(..., sites)`` place in ``expansion.species`` of the atom on each site.

        Returns:
            ``(sites,)`` (the same for all arrangements) and ``(..., sites, 3)``, Å.
        """
        order = np.argsort(species, axis=-1, kind="stable")
        numbers = np.repeat(self.expansion.numbers, self.amounts).astype(np.uint8)
        return numbers, self.positions[order]


def find_file(parameters: SampleParameters, given: ExpansionFile | Path | None = None) -> ExpansionFile:
    """Return the expansion: the input (or its file), that of the parameters, or the one in this package.

    Raises:
        BadInput: given twice, or not readable.
    """
    if given is not None:
        if parameters.expansion is not None:
            raise BadInput("the cluster expansion is given twice: as the input and as the parameter 'expansion'")
        return given if isinstance(given, ExpansionFile) else read_file(given)
    return packaged_file() if parameters.expansion is None else parameters.expansion


def build_system(parameters: SampleParameters, file: ExpansionFile) -> System:
    """Lay the lattice into the supercell and check the composition.

    Raises:
        BadInput: shells that the lattice does not have, a flat or too large supercell, a composition that does not
            fit it, unknown species, or nothing to swap.
    """
    expansion = Expansion.build(file, parameters.lattice_constant)
    cell = _multiples(parameters) @ given_cell(file, expansion)
    sites = abs(np.linalg.det(cell)) / expansion.lattice.volume_per_site
    if sites > MAX_SITES + 0.5:
        raise BadInput(f"supercell: {sites:.0f} sites are more than the {MAX_SITES} that can be sampled")
    try:
        supercell, _ = fit_cell(cell, expansion.lattice, limit=1e-3)
    except LatticeError as error:
        raise BadInput(f"supercell: {error}") from error
    amounts = count_atoms(parameters.composition, expansion.species, supercell.n_sites)
    return System(expansion, supercell, cell, amounts)


def given_cell(file: ExpansionFile, expansion: Expansion) -> NDArray[np.float64]:
    """Return the cell whose repeats a user counts, ``(3, 3)``, Å: the cube, the hexagonal cell, or as in the file."""
    constant = expansion.lattice.constant
    if file.lattice.type is None:
        cell = np.array(file.lattice.cell, dtype=np.float64)
        return cell * (constant / file.lattice.build().constant)
    if file.lattice.type == "hcp":
        return np.array(TYPES["hcp"][0]) * constant
    return np.eye(3) * constant


def _multiples(parameters: SampleParameters) -> NDArray[np.int64]:
    given = np.array(parameters.supercell, dtype=np.int64)
    multiples = np.diag(given) if given.ndim == 1 else given
    if given.ndim == 1 and (given < 1).any():
        raise BadInput(f"supercell: {given.tolist()}: repeats must be 1 or more")
    if abs(np.linalg.det(multiples)) < 0.5:
        raise BadInput(f"supercell: the vectors {given.tolist()} span no volume")
    return multiples


def count_atoms(composition: Mapping[str, float], species: tuple[str, ...], sites: int) -> NDArray[np.int64]:
    """Return how many atoms of each species there are, ``(species,)``.

    Args:
        composition: numbers of atoms, or shares.
        species: of the expansion.
        sites: to be filled.

    Raises:
        BadInput: unknown species, negative numbers, or numbers that do not fill the sites (says which would).
    """
    for symbol, amount in composition.items():
        if symbol not in species:
            raise BadInput(
                f"composition: the cluster expansion has no species '{symbol}'{nearest(symbol, species)}"
                + ("; every site holds an atom, vacancies are not sampled" if symbol in VACANCIES else "")
            )
        if amount < 0:
            raise BadInput(f"composition: {amount:g} atoms of {symbol}")
    given = np.array([composition.get(symbol, 0.0) for symbol in species])
    total = given.sum()
    shares = abs(total - 1) < 1e-6
    amounts = given * sites if shares else given
    whole = np.round(amounts).astype(np.int64)
    # shares are given with few digits: 0.333333 of 3000
    tolerance = 1e-6 * sites if shares else 1e-9
    if np.abs(amounts - whole).max() > tolerance or whole.sum() != sites:
        fitting = ", ".join(f"{symbol} {count}" for symbol, count in zip(species, _fit(given, sites), strict=True))
        said = ", ".join(f"{symbol} {amount:g}" for symbol, amount in composition.items())
        raise BadInput(
            f"composition: {said} ({'shares' if shares else f'{total:g} atoms'}) do not fit the supercell's {sites} "
            f"sites" + (f"; nearest is {fitting}" if total > 0 else "")
        )
    if np.count_nonzero(whole) < 2:
        raise BadInput("composition: with a single species there is nothing to swap")
    return whole


#: What people call an empty site.
VACANCIES = ("X", "Va", "VA", "Vac", "vac", "vacancy", "Vacancy")


def _fit(given: NDArray[np.float64], sites: int) -> list[int]:
    """Return whole numbers that fill the sites, in proportion (largest remainders first)."""
    if given.sum() <= 0:
        return [0] * len(given)
    exact = given / given.sum() * sites
    whole = np.floor(exact).astype(int)
    for index in np.argsort(whole - exact, kind="stable")[: sites - whole.sum()]:
        whole[index] += 1
    return [int(count) for count in whole]
