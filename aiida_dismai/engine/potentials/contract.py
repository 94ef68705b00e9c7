"""How a calculator registers itself, in the entry-point group ``dismai.calculators``; imports no torch.

A package registers one in its ``pyproject.toml``::

    [project.entry-points."dismai.calculators"]
    mace = "our_package.spec:SPEC"

and ``SPEC`` is a :class:`CalculatorSpec` in a module that imports neither torch nor the potential.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
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
        evaluator: ``module:function`` that makes its :class:`Evaluator`, where it can compute many structures at once.
        takes_potential: whether it needs the input ``potential``, the folder of a trained potential.
    """

    name: str
    summary: str
    build: str
    arguments: str = f"{__name__}:NoArguments"
    takes_potential: bool = False
    evaluator: str = ""


@dataclass(frozen=True)
class CalculatorRequest:
    """What a calculator is built for.

    Attributes:
        name: of the calculator.
        arguments: an instance of the calculator's own class of arguments.
        device: ``cpu`` or ``cuda``.
        numbers: atomic numbers that will be computed, ``(n,)``; those that it does not know are to be refused.
        potential: folder of the trained potential, for a calculator that takes one.
        precision: of its network, see :class:`~.evaluator.TrainedEvaluator`.
        compiled: whether its network is to be compiled.
    """

    name: str
    arguments: Any
    device: str
    numbers: NDArray[Any]
    potential: Path | None = None
    precision: str = "float32"
    compiled: bool = False


class Energetics(NamedTuple):
    """What a potential says of one structure of ``m`` atoms.

    Attributes:
        energy: eV.
        forces: ``(m, 3)`` eV/Å.
        stress: ``(3, 3)`` eV/Å³, ASE's sign; None where it was not asked for.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None = None


class Evaluator(Protocol):
    """What batched relaxations ask of a potential: to be told of a structure, and to compute many at once."""

    def site(self, numbers: NDArray[Any], pbc: NDArray[np.bool_]) -> Any:
        """Return what the evaluator keeps of a structure (its list of bonds) from step to step."""
        ...

    def evaluate(
        self,
        sites: Sequence[Any],
        positions: Sequence[NDArray[np.float64]],
        cells: Sequence[NDArray[np.float64]],
        stress: bool = False,
    ) -> list[Energetics]:
        """Return energies and forces of structures; what is wrong with one (NaN) must not touch the others."""
        ...

    def batch_atoms(self, site: Any, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> int:
        """Return how many atoms of structures like this one can be computed at once, found by a dry run."""
        ...


class BuildFunction(Protocol):
    """``build``: make the calculator."""

    def __call__(self, request: CalculatorRequest) -> Any:
        """Return an ASE calculator.

        Raises:
            BadInput: it cannot be had here, or does not know an element.
        """
        ...
