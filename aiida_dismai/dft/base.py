"""The interface that a code for density-functional theory has to serve."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from aiida.orm import AbstractCode, Data, ProcessNode, StructureData
from numpy.typing import NDArray

from .settings import StageSettings


@dataclass(frozen=True)
class DftRun:
    """What one job of a relaxation left in the database.

    Attributes:
        nodes: output nodes that hold its ionic steps, by name; the input of :meth:`DftEngine.read`.
        reason: why nothing can be read from it (then ``nodes`` is empty), or "".
    """

    nodes: dict[str, Data]
    reason: str = ""


@dataclass(frozen=True)
class IonicSteps:
    """The ionic steps of one job that can be trusted, in the project's units.

    Attributes:
        numbers: index of each step in the job, from 0, ``(n,)``.
        cells: Å, ``(n, 3, 3)``.
        positions: Cartesian, Å, ``(n, m, 3)``, atoms in the order of the structure given to the job.
        energies: eV, ``(n,)``; the one that the forces are the derivative of.
        forces: eV/Å, ``(n, m, 3)``.
        stresses: GPa, compressive negative, ``(n, 3, 3)``.
        done: ionic steps of the job in all, the dropped ones included.
        left_out: index in the job of each step that cannot be used, and why.
        converged: whether the relaxation met its criterion.
        symbols: element of each atom as the output names it, ``m`` of them, or empty where it names none.
        remark: what is odd about the output as a whole (it ends inside a step, it is damaged), or "".
    """

    numbers: NDArray[np.int64]
    cells: NDArray[np.float64]
    positions: NDArray[np.float64]
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    stresses: NDArray[np.float64]
    done: int
    left_out: tuple[tuple[int, str], ...]
    converged: bool
    symbols: tuple[str, ...] = ()
    remark: str = ""

    @property
    def dropped(self) -> int:
        """Number of steps that cannot be used."""
        return len(self.left_out)

    def without(self, repeated: NDArray[np.bool_]) -> IonicSteps:
        """Return the steps without some of them, which count as never done.

        Args:
            repeated: which, ``(n,)``.
        """
        arrays = ("cells", "positions", "energies", "forces", "stresses")
        rest = {name: getattr(self, name)[~repeated] for name in arrays}
        gone = self.numbers[repeated]
        numbers = self.numbers[~repeated] - np.searchsorted(gone, self.numbers[~repeated])
        left_out = tuple((number - int(np.searchsorted(gone, number)), why) for number, why in self.left_out)
        return replace(self, numbers=numbers, done=self.done - len(gone), left_out=left_out, **rest)

    def refused(self, why: str) -> IonicSteps:
        """Return no steps, because none of them can be used."""
        left_out = {int(number): why for number in self.numbers} | dict(self.left_out)
        gone = self.without(np.ones(len(self.numbers), dtype=bool))
        return replace(gone, done=self.done, left_out=tuple(sorted(left_out.items())), converged=False)


class DftEngine(ABC):
    """One code, through the WorkChain of its AiiDA plugin. Engines hold no state."""

    #: Name that labels carry and messages use.
    name: ClassVar[str]
    #: Plugin of the codes that this engine drives.
    plugin: ClassVar[str]
    #: Entry point of the WorkChain that runs one stage.
    workflow: ClassVar[str]

    @abstractmethod
    def check_settings(self, settings: StageSettings) -> list[str]:
        """Return what of a stage's settings would fail after the submission, with what to do about it."""

    @abstractmethod
    def check_potentials(self, elements: Sequence[str], family: str, mapping: Mapping[str, str] | None) -> list[str]:
        """Return what of the potentials is not there, with what to do about it.

        Args:
            elements: all elements that occur; none where they are not known yet.
            family: name of the family of potentials.
            mapping: potential of each element, or None where the family itself knows.
        """

    @abstractmethod
    def inputs(
        self,
        code: AbstractCode,
        structure: StructureData,
        movable: NDArray[np.bool_],
        settings: StageSettings,
        family: str,
        mapping: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the inputs of :attr:`workflow` for one stage.

        Args:
            code: the executable.
            structure: sites grouped by element, kinds named after elements.
            movable: ``(m,)``, in site order.
            settings: the stage.
            family: family of potentials.
            mapping: potential of each element.
            options: scheduler options.
        """

    @abstractmethod
    def relaxed_structure(self, node: ProcessNode) -> StructureData | None:
        """Return the structure that a successful stage hands to the next one, None if no atom moved."""

    @abstractmethod
    def runs(self, node: ProcessNode) -> list[DftRun]:
        """Return all jobs of a stage (restarts too), in order, whether the stage succeeded or not."""

    @abstractmethod
    def read(self, nodes: Mapping[str, Data], start: NDArray[np.float64]) -> IonicSteps:
        """Read the ionic steps of one job. Depends on nothing but its arguments (a calcfunction calls it).

        Args:
            nodes: :attr:`DftRun.nodes`.
            start: Cartesian positions before the job, Å, ``(m, 3)``; codes that wrap atoms into the cell are
                unwrapped against it, so that a trajectory is continuous.
        """
