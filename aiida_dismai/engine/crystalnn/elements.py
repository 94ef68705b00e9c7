"""What the elements add to the geometry: radii, electronegativities, and who may be whose neighbour.

Atoms of one element and oxidation state are one kind; everything is tabulated for pairs of kinds. The values are
those of pymatgen's periodic table (ionic radii by Shannon, covalent radii by Cordero et al., Dalton Trans. 2832
(2008), electronegativities by Pauling); the rules which of them counts are CrystalNN's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import CrystalNNError
from .options import CrystalNNOptions

#: The largest difference of two elements' electronegativities, by which differences are divided (pymatgen).
LARGEST_DIFFERENCE = 3.3


class Kinds(NamedTuple):
    """The ``s`` kinds of atoms in a structure, and their pairs.

    Attributes:
        of_atom: ``(n,)`` the kind of each atom.
        allowed: ``(s, s)`` whether an atom of the second kind may be a neighbour of one of the first.
        chemical: ``(s, s)`` factor of the weight by electronegativity.
        diameter: ``(s, s)`` sum of the radii, Å; NaN where pymatgen knows no radius.
    """

    of_atom: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    chemical: NDArray[np.float64]
    diameter: NDArray[np.float64]


def kinds_of(
    numbers: NDArray[np.uint8],
    oxidation_states: Mapping[str, float] | Sequence[float] | NDArray[np.float64] | None,
    options: CrystalNNOptions,
) -> Kinds:
    """Sort atoms into kinds and tabulate what CrystalNN asks of their pairs.

    Args:
        numbers: ``(n,)`` atomic numbers.
        oxidation_states: by symbol, or of each atom (so that iron may be Fe²⁺ and Fe³⁺), in units of e; a NaN in
            the second form, or None for all, means unknown.
        options: what counts.

    Raises:
        CrystalNNError: an element without an oxidation state among those given by symbol, another number of states
            than atoms, or ``cation_anion`` without oxidation states.
    """
    charges = _charges(numbers, oxidation_states)
    if options.cation_anion and np.isnan(charges).any():
        atom = int(np.argmax(np.isnan(charges)))
        raise CrystalNNError(atom, "cation_anion needs its oxidation state")
    if np.isinf(charges).any():
        raise CrystalNNError(int(np.argmax(np.isinf(charges))), "its oxidation state is infinite")
    # Unlike a NaN, infinity equals itself and so makes one kind.
    known = np.where(np.isnan(charges), np.inf, charges)
    pairs, of_atom = np.unique(np.column_stack([numbers, known]), axis=0, return_inverse=True)
    kinds = [(int(number), None if math.isinf(charge) else float(charge)) for number, charge in pairs]
    count = len(kinds)
    allowed = np.ones((count, count), dtype=np.bool_)
    chemical = np.ones((count, count))
    diameter = np.zeros((count, count))
    for i, (first, charge) in enumerate(kinds):
        for j, (second, other) in enumerate(kinds):
            if options.cation_anion:
                allowed[i, j] = (charge or 0.0) * (other or 0.0) <= 0
            if options.x_diff_weight > 0:
                difference = abs(electronegativity(first) - electronegativity(second))
                if not math.isnan(difference):
                    chemical[i, j] = 1 + options.x_diff_weight * math.sqrt(difference / LARGEST_DIFFERENCE)
            if options.distance_cutoffs is not None:
                radii = radius(first, charge), radius(second, other)
                if not (radii[0] > 0 and radii[1] > 0):
                    radii = neutral_radius(first), neutral_radius(second)
                diameter[i, j] = sum(radii)
    return Kinds(of_atom.reshape(-1).astype(np.int64), allowed, chemical, diameter)


def _charges(
    numbers: NDArray[np.uint8], oxidation_states: Mapping[str, float] | Sequence[float] | NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the oxidation state of each atom, NaN where unknown, ``(n,)``."""
    if oxidation_states is None:
        return np.full(len(numbers), np.nan)
    if isinstance(oxidation_states, Mapping):
        from ase.data import chemical_symbols

        symbols = {int(number): chemical_symbols[number] for number in np.unique(numbers)}
        missing = [symbol for symbol in symbols.values() if symbol not in oxidation_states]
        if missing:
            raise CrystalNNError(None, f"no oxidation state for {', '.join(missing)}; give one for every element")
        return np.array([float(oxidation_states[symbols[int(number)]]) for number in numbers])
    charges = np.asarray(oxidation_states, dtype=np.float64)
    if charges.shape != (len(numbers),):
        raise CrystalNNError(None, f"{charges.size} oxidation states for {len(numbers)} atoms; give one for each")
    return charges


@cache
def electronegativity(number: int) -> float:
    """Return Pauling's electronegativity, NaN where there is none (noble gases)."""
    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(Element.from_Z(number).X)


@cache
def radius(number: int, charge: float | None) -> float:
    """Return the radius of an ion, Å; 0 where CrystalNN has none and falls back on :func:`neutral_radius`.

    Args:
        number: atomic number.
        charge: oxidation state; one between two integers gets the mean of their radii, weighted; None has none.
    """
    from pymatgen.core import Element

    if charge is None:
        return 0.0
    if charge == 0:
        return neutral_radius(number)
    element = Element.from_Z(number)
    ionic = element.ionic_radii
    low, high = math.floor(charge), math.ceil(charge)
    if low == charge and low in ionic:
        return float(ionic[low])
    if low in ionic and high in ionic:
        share = charge - low
        return (1 - share) * float(ionic[low]) + share * float(ionic[high])
    if charge > 0 and element.average_cationic_radius > 0:
        return float(element.average_cationic_radius)
    if charge < 0 and element.average_anionic_radius > 0:
        return float(element.average_anionic_radius)
    return 0.0


@cache
def neutral_radius(number: int) -> float:
    """Return the covalent radius, or else the atomic one, Å; NaN where neither is known."""
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
    from pymatgen.core import Element

    element = Element.from_Z(number)
    if element.symbol in CovalentRadius.radius:
        return float(CovalentRadius.radius[element.symbol])
    return math.nan if element.atomic_radius is None else float(element.atomic_radius)
