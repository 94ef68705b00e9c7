"""Chemical symbols as files write them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..errors import BadInput
from ..text import visible


@cache
def _numbers() -> dict[str, int]:
    from ase.data import atomic_numbers

    return {symbol: number for symbol, number in atomic_numbers.items() if 1 <= number <= 118}


def atomic_numbers(symbols: Sequence[str], where: str) -> list[int]:
    """Return the atomic numbers of chemical symbols.

    Args:
        symbols: as the file has them.
        where: named in the error, for instance file and frame.

    Raises:
        BadInput: something that is no chemical symbol; says which atom (from 0) and what it may mean.
    """
    known = _numbers()
    try:
        return [known[symbol] for symbol in symbols]
    except KeyError:
        index = next(i for i, symbol in enumerate(symbols) if symbol not in known)
    raise BadInput(
        f"{where}: atom {index}: '{visible(symbols[index], 40)}' is not a chemical symbol{_advice(symbols[index])}"
    )


def _advice(symbol: str) -> str:
    known = _numbers()
    letters = "".join(char for char in symbol if char.isalpha())
    if symbol.isdigit():
        return (
            "; if it is an atomic number, name the column so (extxyz: Properties=Z:I:1:pos:R:3); a type of atoms must "
            "be "
            "replaced by its symbol"
        )
    if symbol in ("D", "T"):
        return "; isotopes are not distinguished, write H"
    if symbol in ("X", "Xx", "VA", "Va", "Vac", "vac"):
        return "; dummy atoms and vacancies are not read, leave them out"
    if letters.capitalize() in known:
        return f"; write {letters.capitalize()}"
    return ""
