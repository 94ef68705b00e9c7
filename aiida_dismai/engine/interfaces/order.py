"""The order of the atoms in the file, on which some generative models rely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput


def element_order(numbers: Iterable[int], wanted: Sequence[str] | None) -> list[int]:
    """Return the atomic numbers in the order of the file.

    Args:
        numbers: atomic numbers that occur.
        wanted: chemical symbols in order; None orders by Pauling electronegativity.

    Raises:
        BadInput: an element that is missing in ``wanted``, or one that occurs nowhere.
    """
    from ase.data import atomic_numbers, chemical_symbols

    present = {int(z) for z in numbers}
    if wanted is None:
        from pymatgen.core import Element

        # elements without a value (noble gases) come last
        return sorted(present, key=lambda z: (Element.from_Z(z).X if Element.from_Z(z).X > 0 else 9.0, z))
    order = [atomic_numbers[symbol] for symbol in wanted]
    missing = [chemical_symbols[z] for z in sorted(present - set(order))]
    if missing:
        raise BadInput(f"element_order: {', '.join(missing)} occurs in the structures but not in the order; add it")
    odd = [chemical_symbols[z] for z in order if z not in present]
    if odd:
        raise BadInput(
            f"element_order: {', '.join(odd)} is neither in the crystals nor in the random region; remove it"
        )
    return order


def sort_by_element(numbers: NDArray[Any], order: Sequence[int]) -> NDArray[np.int64]:
    """Return the permutation that puts atoms in the order of their elements and keeps it otherwise.

    Applied to places in the order interface, slab A from the top down, slab B from the bottom up, it
    gives the order of the paper: inside every element first the interface, then slab A from its top
    layer, then slab B. The same holds after an exchange, because the places keep their order.
    """
    rank = np.zeros(119, dtype=np.int64)
    rank[list(order)] = np.arange(len(order))
    return np.argsort(rank[numbers], kind="stable")
