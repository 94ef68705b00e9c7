"""Oxidation states of the elements of ionic crystals: read as a person writes them, or guessed from compositions.

A guess gives each element one whole number, the same in all compositions, such that each of them is neutral. It takes
the most likely one: the product over all elements of how often the ion occurs in the ICSD (pymatgen's table of
occurrences) is largest. Mixed valence (Fe3O4) and metals have no such states, and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import log
from typing import Any

from ..errors import BadInput
from ..parameters import Parameters

#: Combinations of states that are looked at, at most.
MAX_COMBINATIONS = 200_000
OPTION = "--oxidation-states"


def parse_states(text: str) -> dict[str, int]:
    """Return oxidation states from ``Ca=2,O=-2``.

    Raises:
        BadInput: an entry that is none, an element that is not one, or one that appears twice.

    Example:
        >>> parse_states("Ca=2, O=-2")
        {'Ca': 2, 'O': -2}
    """
    from ase.data import chemical_symbols

    found: dict[str, int] = {}
    for entry in text.split(","):
        match = re.fullmatch(r"\s*([A-Z][a-z]?)\s*[=:]\s*([-+−]?\d{1,2})\s*", entry)
        if match is None:
            raise BadInput(
                f"{OPTION}: '{entry.strip()}' is not an integer oxidation state of an element; write Ca=2,O=-2"
            )
        symbol = match[1]
        if symbol not in chemical_symbols[1:]:
            raise BadInput(f"{OPTION}: '{symbol}' is not a chemical element")
        if symbol in found:
            raise BadInput(f"{OPTION}: {symbol} appears twice")
        found[symbol] = int(match[2].replace("−", "-"))
    return found


def written(states: Mapping[str, float]) -> str:
    """Return oxidation states as they are read.

    Example:
        >>> written({"Ca": 2, "O": -2.0})
        'Ca=2,O=-2'
    """
    return ",".join(f"{symbol}={value:g}" for symbol, value in states.items())


def ions(states: Mapping[str, float], present: Sequence[str]) -> dict[str, object]:
    """Return the parameters of the metrics that follow from oxidation states: states, cations, anions.

    Args:
        states: by element; may name more than there are.
        present: elements of the structures.

    Raises:
        BadInput: no cation or no anion among those present.
    """
    cations = [symbol for symbol, value in states.items() if value > 0 and symbol in present]
    anions = [symbol for symbol, value in states.items() if value < 0 and symbol in present]
    if not cations or not anions:
        raise BadInput(f"oxidation states {written(states)}: the structures have no cations or no anions among these")
    return {"oxidation_states": dict(states), "cations": cations, "anions": anions}


def covered(model: type[Parameters], elements: Sequence[str]) -> bool:
    """Whether the states that a family's parameters have by default are those of these elements."""
    default: Any = model.model_validate({})
    return set(default.cations) <= set(elements) <= set(default.oxidation_states)


def guess_states(compositions: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the most likely oxidation states.

    Args:
        compositions: of crystals, or of whole structures: atoms of each element.

    Returns:
        One whole number for each element: cations, then anions, in the order in which they occur.

    Raises:
        BadInput: no whole states make every composition neutral; says which and which option gives them.
    """
    elements = list(dict.fromkeys(symbol for composition in compositions for symbol in composition))
    known = {symbol: _likelihoods(symbol) for symbol in elements}
    partial: list[tuple[float, dict[str, int]]] = [(0.0, {})]
    for composition in sorted(compositions, key=len):
        partial = _extended(partial, composition, known)
        if not partial:
            formula = "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in composition.items())
            example = ",".join(f"{symbol}=…" for symbol in elements)
            raise BadInput(
                f"the oxidation states of {', '.join(composition)} cannot be guessed: no integers, one for each "
                f"element, make {formula} neutral; give them with {OPTION} {example}"
            )
    best = max(partial, key=lambda item: item[0])[1]
    return {symbol: best[symbol] for symbol in sorted(elements, key=lambda symbol: best[symbol] < 0)}


def _extended(
    partial: list[tuple[float, dict[str, int]]],
    composition: Mapping[str, int],
    known: Mapping[str, Mapping[int, float]],
) -> list[tuple[float, dict[str, int]]]:
    """Return what of the partial assignments can be completed so that a composition is neutral."""
    for symbol in composition:
        if not partial or symbol in partial[0][1]:
            continue
        partial = [
            (score + likelihood, {**states, symbol: state})
            for score, states in partial
            for state, likelihood in known[symbol].items()
        ]
        partial = sorted(partial, key=lambda item: -item[0])[:MAX_COMBINATIONS]
    return [
        (score, states)
        for score, states in partial
        if sum(count * states[symbol] for symbol, count in composition.items()) == 0
    ]


@cache
def _likelihoods(symbol: str) -> dict[int, float]:
    """Return the logarithm of how often each whole state other than 0 of an element occurs."""
    from pymatgen.analysis.bond_valence import PRIOR_PROB
    from pymatgen.core import Element

    found: dict[int, float] = {}
    for species, number in PRIOR_PROB.items():
        if species.symbol == symbol and species.oxi_state and float(species.oxi_state).is_integer() and number > 0:
            found[int(species.oxi_state)] = log(number)
    for state in Element(symbol).common_oxidation_states:
        if state:
            found.setdefault(int(state), log(1e-3) if not found else min(found.values()) - 1)
    return found
