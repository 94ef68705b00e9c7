"""Which ions the structures are made of, and the check that they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import BadInput
from ..structures import StructureSet


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


def common_composition(structures: StructureSet, chemistry: Chemistry, where: str) -> dict[str, int]:
    """Return the atoms of each element that all structures have (atom order may differ).

    Args:
        structures: at least one.
        chemistry: the elements allowed; every cation must be there.
        where: named in the errors.

    Raises:
        BadInput: an element without an oxidation state, a cation that is missing, or structures whose
            compositions differ.
    """
    charged = dict(chemistry.oxidation_states)
    odd = [symbol for symbol in structures.elements if symbol not in charged]
    if odd:
        raise BadInput(
            f"{where}: {', '.join(odd)} has no oxidation state; known are {', '.join(sorted(charged))} "
            "(parameter oxidation_states)"
        )
    first = _counts(structures, 0)
    missing = [symbol for symbol in chemistry.cations if symbol not in first]
    if missing:
        raise BadInput(
            f"{where}: structure 0 ({structures.formulas[0]}) has no {', '.join(missing)}; name the cations that "
            "are there (parameter cations)"
        )
    for i in range(1, len(structures)):
        if _counts(structures, i) != first:
            raise BadInput(
                f"{where}: structure {i} ({structures.formulas[i]}) has another composition than structure 0 "
                f"({structures.formulas[0]}); the metrics compare structures of one composition"
            )
    return first


def _counts(structures: StructureSet, i: int) -> dict[str, int]:
    from ase.data import chemical_symbols

    counts = Counter(structures.numbers[structures.atoms_of(i)].tolist())
    return {chemical_symbols[number]: count for number, count in sorted(counts.items())}
