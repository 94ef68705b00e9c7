"""Which ions the structures are made of, and the check that they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import BadInput
from ..structures import StructureSet, StructureStream


@dataclass(frozen=True)
class Chemistry:
    """The ions of a family of structures.

    Attributes:
        oxidation_states: (symbol, charge in units of e), sorted by symbol.
        cations: symbols of the sites that are fingerprinted, in the order of the results.
        anions: symbols whose share among the neighbours is counted.
    """

    oxidation_states: tuple[tuple[str, float], ...]
    cations: tuple[str, ...]
    anions: tuple[str, ...]

    @classmethod
    def build(cls, oxidation_states: Mapping[str, float], cations: Sequence[str], anions: Sequence[str]) -> Chemistry:
        """Check the ions against each other.

        Raises:
            ValueError: an unknown element, one named twice, one without a charge, or a cation (anion)
                whose charge is not positive (negative).
        """
        from ase.data import chemical_symbols

        unknown = sorted(set(oxidation_states) - set(chemical_symbols[1:]))
        if unknown:
            raise ValueError(f"oxidation_states: not a chemical element: {', '.join(unknown)}")
        for name, symbols, sign in (("cations", cations, 1), ("anions", anions, -1)):
            if len(set(symbols)) != len(symbols):
                raise ValueError(f"{name}: an element is named twice in {', '.join(symbols)}")
            for symbol in symbols:
                if symbol not in oxidation_states:
                    raise ValueError(f"{name}: {symbol} has no entry in oxidation_states")
                if sign * oxidation_states[symbol] <= 0:
                    raise ValueError(f"{name}: {symbol} has the oxidation state {oxidation_states[symbol]:+g}")
        charges = tuple(sorted((symbol, float(charge)) for symbol, charge in oxidation_states.items()))
        return cls(charges, tuple(cations), tuple(anions))

    def plain(self) -> dict[str, object]:
        """Return what JSON can hold; :meth:`build` takes it back."""
        return {
            "oxidation_states": dict(self.oxidation_states),
            "cations": list(self.cations),
            "anions": list(self.anions),
        }


def composition_of(structure: StructureSet) -> dict[str, int]:
    """Return the atoms of each element of a set of one structure, by atomic number."""
    from ase.data import chemical_symbols

    counts = Counter(structure.numbers.tolist())
    return {chemical_symbols[number]: count for number, count in sorted(counts.items())}


def formula(composition: Mapping[str, int]) -> str:
    """Return a composition as a person writes it."""
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in composition.items())


def common_composition(stream: StructureStream, where: str) -> dict[str, int]:
    """Return the atoms of each element that all structures have (their order may differ).

    Args:
        stream: the structures.
        where: named in the errors.

    Raises:
        BadInput: no structures, or structures whose compositions differ.
    """
    first: dict[str, int] = {}
    index = 0
    for block in stream.blocks():
        for structure in block:
            counts = composition_of(structure)
            if index == 0:
                first = counts
            elif counts != first:
                raise BadInput(
                    f"{where}: structure {index} ({formula(counts)}) has another composition than structure 0 "
                    f"({formula(first)}); the metrics compare structures of one composition"
                )
            index += 1
    if not index:
        raise BadInput(f"{where}: the set of structures is empty")
    return first
