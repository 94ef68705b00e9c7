"""How a calculator registers itself, in the entry-point group ``dismai.calculators``; imports no torch.

A package registers one in its ``pyproject.toml``::

    [project.entry-points."dismai.calculators"]
    mace = "our_package.spec:SPEC"

and ``SPEC`` is a :class:`CalculatorSpec` in a module that imports neither torch nor the potential.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ..parameters import Parameters


class NoArguments(Parameters):
    """Arguments of a calculator that takes none."""


@dataclass(frozen=True)
class CalculatorSpec:
    """A calculator as it registers itself; the object that its entry point names.

    Attributes:
        name: the name of the entry point.
        summary: one line for ``dismai calculators``.
        build: ``module:function``, see :class:`BuildFunction`.
        arguments: ``module:Class`` of its keyword arguments, a subclass of
            :class:`~aiida_dismai.engine.parameters.Parameters`: what the user may give, each with its bounds. Nothing
            of it should be able to name a program or a module: arguments come with the data sets of others, too.
        takes_potential: whether it needs the input ``potential``, the folder of a trained potential.
    """

    name: str
    summary: str
    build: str
    arguments: str = f"{__name__}:NoArguments"
    takes_potential: bool = False


@dataclass(frozen=True)
class CalculatorRequest:
    """What a calculator is built for.

    Attributes:
        name: of the calculator.
        arguments: an instance of the calculator's own class of arguments.
        device: ``cpu`` or ``cuda``.
        numbers: atomic numbers that will be computed, ``(n,)``; those that it does not know are to be refused.
        potential: folder of the trained potential, for a calculator that takes one.
    """

    name: str
    arguments: Any
    device: str
    numbers: NDArray[Any]
    potential: Path | None = None


class BuildFunction(Protocol):
    """``build``: make the calculator."""

    def __call__(self, request: CalculatorRequest) -> Any:
        """Return an ASE calculator.

        Raises:
            BadInput: it cannot be had here, or does not know an element.
        """
        ...
