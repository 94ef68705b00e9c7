"""Which element an atom type of LAMMPS is: by its label, a comment, its mass, or as given."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import BadInput

#: Masses in u that differ by less than this from an element's are that element's.
SAME_MASS = 0.1


@dataclass
class AtomTypes:
    """What a file says of its atom types.

    Attributes:
        where: the file, for errors.
        masses: g/mol, by type.
        labels: type labels (``Atom Type Labels``), by type.
        comments: first word of the comment behind a mass, by type.
    """

    where: str
    masses: dict[int, float] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    comments: dict[int, str] = field(default_factory=dict)

    def symbol(self, kind: int, element: str | None) -> str:
        """Return the chemical symbol of an atom type.

        Args:
            kind: the type, from 1.
            element: what the user says that all atoms are.

        Raises:
            BadInput: nothing says it, or what says it disagrees.
        """
        from ase.data import atomic_numbers

        sources = {
            "its label": self.labels.get(kind),
            "the comment behind its mass": self.comments.get(kind),
        }
        found = {source: text for source, text in sources.items() if text in atomic_numbers and text != "X"}
        named = set(found.values())
        if element is not None:
            named.add(element)
        by_mass = self._by_mass(kind)
        if len(named) > 1:
            both = ", ".join(f"{source} says {text}" for source, text in found.items())
            raise BadInput(
                f"{self.where}: which element is atom type {kind}? {both}; element: {element}. Make them agree"
            )
        if named:
            symbol = named.pop()
            agreed = element is not None and found  # two against a mass
            if by_mass is not None and by_mass != symbol and not agreed:
                said = next(iter(found), "the parameter 'element'")
                raise BadInput(
                    f"{self.where}: which element is atom type {kind}? {said} says {symbol}, its mass "
                    f"{self.masses[kind]:g} "
                    f"g/mol is that of {by_mass}; correct one of them"
                    + ("" if element else f", or give 'element': '{symbol}' where all atoms are {symbol}")
                )
            return symbol
        if by_mass is not None:
            return by_mass
        said = f"its mass {self.masses[kind]:g} is no element's" if kind in self.masses else "it has no mass"
        raise BadInput(
            f"{self.where}: which element is atom type {kind}? {said}; write a section Masses (g/mol, with the symbol "
            "as "
            "comment, '1 28.0855  # Si') into the file, or convert it to extxyz"
        )

    def _by_mass(self, kind: int) -> str | None:
        """Return the element of the mass; a mass of 1 is what LAMMPS users write for anything."""
        from ase.data import atomic_masses, chemical_symbols

        mass = self.masses.get(kind)
        if mass is None or mass == 1.0:
            return None
        near = int(abs(atomic_masses - mass).argmin())
        return str(chemical_symbols[near]) if near and abs(atomic_masses[near] - mass) < SAME_MASS else None
