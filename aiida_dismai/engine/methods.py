"""What labels were computed with, in one word group, and whether two of them may be learnt together.

Energies of two codes, functionals, values of U or sets of potentials differ by an offset of eV per atom, and their
forces differ too. Every label carries its method as the property ``method``::

    mycode PBE U(Co-d)=3.32 Co=MD5:b62ec2893717 Li=MD5:dbcf0ea72988

The cut-off stands beside it as ``cutoff`` (eV): labels of two stages differ in it on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .structures import StructureSet

#: The property of a structure that holds the method.
METHOD = "method"
_U = re.compile(r"U\(([A-Z][a-z]?)-(\w+)\)=(\S+)")
_POTENTIAL = re.compile(r"([A-Z][a-z]?)=(\S+)")


@dataclass(frozen=True)
class Method:
    """Who computed labels, and with what.

    Attributes:
        engine: name of the DFT engine.
        functional: exchange and correlation, "?" if it is not known.
        hubbard: shell and U in eV by element, as ``d 3.32``.
        potentials: kind and beginning of the checksum of each element's potential.
    """

    engine: str
    functional: str = "?"
    hubbard: Mapping[str, str] = field(default_factory=dict)
    potentials: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as labels carry it."""
        parts = [self.engine, self.functional or "?"]
        for element, value in sorted(self.hubbard.items()):
            shell, number = value.split()
            parts.append(f"U({element}-{shell})={number}")
        parts += [f"{element}={value}" for element, value in sorted(self.potentials.items())]
        return " ".join(parts)


def read_method(text: str) -> Method:
    """Return the method that a label carries; what is not understood is left out."""
    engine, functional, *rest = [*text.split(), "?", "?"][: max(2, len(text.split()))]
    hubbard = {found[1]: f"{found[2]} {found[3]}" for word in rest if (found := _U.fullmatch(word))}
    potentials = {found[1]: found[2] for word in rest if (found := _POTENTIAL.fullmatch(word))}
    return Method(engine, functional, hubbard, potentials)


def methods_of(structures: StructureSet) -> list[str]:
    """Return the methods of labelled structures, each once; none where they do not carry them."""
    if METHOD not in structures.properties:
        return []
    return [str(text) for text in np.unique(structures.values(METHOD)) if str(text)]


def differences(one: Method, other: Method) -> list[str]:
    """Return in what two methods differ; elements that only one of them names are no difference."""
    found = []
    if one.engine != other.engine:
        found.append(f"DFT engine ({one.engine}, {other.engine})")
    if "?" not in (one.functional, other.functional) and one.functional != other.functional:
        found.append(f"functional ({one.functional}, {other.functional})")
    shared = sorted(set(one.potentials) & set(other.potentials))
    for element in shared:
        with_u = [method.hubbard.get(element, "none") for method in (one, other)]
        if with_u[0] != with_u[1]:
            found.append(f"U of {element} ({with_u[0]}, {with_u[1]})")
    if one.engine == other.engine:  # else they differ anyway
        odd = [element for element in shared if one.potentials[element] != other.potentials[element]]
        if odd:
            found.append(f"potential of {', '.join(odd)}")
    return found


def conflicts(methods: Iterable[str]) -> list[str]:
    """Return in what any two of some methods differ, each difference once; nothing where they go together."""
    read = [read_method(text) for text in dict.fromkeys(methods)]
    found: dict[str, None] = {}
    for one, other in combinations(read, 2):
        found |= dict.fromkeys(differences(one, other))
    return list(found)


def mixed(methods: Iterable[str]) -> str:
    """Say that labels were computed with several methods, and in what they differ; "" where they go together."""
    found = conflicts(methods)
    return f"the labels are of several methods, which differ in {'; '.join(found)}" if found else ""
