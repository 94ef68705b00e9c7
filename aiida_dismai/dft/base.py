"""The contract of a DFT engine: all that the rest of the package asks about a code for density-functional theory.

An engine drives the codes of some AiiDA plugins through a WorkChain of that plugin. ``docs/howto/own_dft_engine.md``
shows how to write one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida.orm import AbstractCode, CalcJobNode, Data, FolderData, Group, Node, ProcessNode, StructureData
from numpy.typing import NDArray

from ..engine.methods import Method
from .settings import StageSettings


@dataclass(frozen=True)
class DftRun:
    """What one job of a relaxation left in the database.

    Attributes:
        nodes: outputs, and inputs if need be, that its ionic steps are read from, by name; what
            :meth:`DftEngine.read` gets.
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


@dataclass(frozen=True)
class Potentials:
    """The potentials of a relaxation, as the user names them.

    Attributes:
        family: name of an installed family.
        mapping: name of the potential of each element, None if the family itself says which one it is.
    """

    family: str
    mapping: Mapping[str, str] | None = None


@dataclass(frozen=True)
class PotentialFile:
    """One potential of a family.

    Attributes:
        element: its symbol.
        name: as the mapping names it.
        fingerprint: kind and beginning of its checksum; None if the family does not have it.
    """

    element: str
    name: str
    fingerprint: str | None


#: What may stand between two words of a text, also where its lines became a list, or JSON.
GAP = rb"(?:[\s\"',\[\]]|\\[nrt])+"


@dataclass(frozen=True)
class LicensedFiles:
    """Files that belong to the code's owners and must not be shared, and how they are recognised in a database.

    Attributes:
        noun: what they are, in the plural.
        node_types: beginnings of the ``node_type`` of nodes that hold one.
        file_name: pattern of the names of such files.
        content: pattern of what only such a file has inside; texts in nodes and files in others are searched too, with
            :data:`GAP` between two words of the pattern it is found however the lines were broken.
        advice: how not to have them in an archive.
        marks: words in lower case, of which all that ``content`` matches has one: looking for these is much faster.
    """

    noun: str
    node_types: tuple[str, ...]
    file_name: re.Pattern[str]
    content: re.Pattern[bytes]
    advice: str
    marks: tuple[bytes, ...] = ()


def short_fingerprint(fingerprint: str | None) -> str:
    """Return kind and beginning of a checksum as one word, ``MD5:b62ec2893717``."""
    kind, _, value = (fingerprint or "").partition(" ")
    return f"{kind}:{value.rstrip('…')[:12]}" if value else kind


def jobs_of(node: ProcessNode) -> list[CalcJobNode]:
    """Return the jobs that a WorkChain called, in the order in which they ran."""
    calls = [call for call in node.called if isinstance(call, CalcJobNode)]
    return sorted(calls, key=lambda call: (call.ctime, call.pk))


@dataclass(frozen=True)
class PrintedEnergies:
    """Where a code prints the energy of each ionic step while it runs.

    Attributes:
        file: name of the file in the folder of the job.
        mark: what each such line has in it and no other.
        read: eV from such a line; NaN where it is no number (stars), None if it is another line.
    """

    file: str
    mark: str
    read: Callable[[str], float | None]


class DftEngine(ABC):
    """One code, through the WorkChain of its AiiDA plugin. Engines hold no state.

    The module of an engine is imported by whatever looks one up: it imports the code's AiiDA plugin inside functions.

    Attributes:
        name: of the entry point; settings of protocols and labels name the engine by it.
        title: name of the code as a person writes it.
        summary: one line for lists.
        plugins: entry points of the CalcJobs that its codes are set up for; a new code gets the first one.
        workflow: entry point of the WorkChain that runs one stage.
        protocols: YAML file of what in the protocols of labelling is the code's own: ``default_inputs`` and
            ``protocols``, as in ``workchains/protocols/label.yaml``, which it is laid over.
        potential_types: beginnings of the ``node_type`` of the potentials that its jobs are given.
        licensed: files that must not be shared, None without any; if there are some, the nodes of
            ``potential_types`` hold their checksums only.
        printed_energies: where a running job can be watched (monitor ``hopeless``); None if it cannot.
        job_namespace: namespace of the WorkChain's inputs in which those of its jobs are, ``""`` for the WorkChain's
            own; there ``monitors`` go. None if it takes none.
    """

    name: str
    title: str
    summary: str
    plugins: tuple[str, ...]
    workflow: str
    protocols: Path
    potential_types: tuple[str, ...]
    licensed: LicensedFiles | None = None
    printed_energies: PrintedEnergies | None = None
    job_namespace: str | None = None

    # ------------------------------------------------------------------ before a submission
    @abstractmethod
    def check_settings(
        self, settings: StageSettings, elements: Sequence[str], potentials: Potentials | None
    ) -> list[str]:
        """Return what of a stage's settings would fail after the submission, with what to do about it.

        Args:
            settings: the stage.
            elements: all elements that occur; none if they are not known yet.
            potentials: those that it runs with, for settings that may be left to them; None if they are missing.
        """

    @abstractmethod
    def check_potentials(self, elements: Sequence[str], potentials: Potentials) -> list[str]:
        """Return what of the potentials is not there, with what to do about it.

        Args:
            elements: all elements that occur; none if they are not known yet.
            potentials: family and mapping.
        """

    @abstractmethod
    def list_potentials(self, potentials: Potentials) -> list[PotentialFile]:
        """Return the potentials that the mapping names; without a mapping, all of the family."""

    @abstractmethod
    def install_hint(self, family: str, folder: str) -> str:
        """Return the command that installs a family of potentials.

        Args:
            family: its name.
            folder: where the files are.
        """

    def method(self, settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> Method:
        """Return what the labels of a stage are computed with; they carry it.

        Args:
            settings: the stage.
            elements: those of the structure.
            potentials: family and mapping.
        """
        hubbard = settings.hubbard_u
        files = {item.element: item.fingerprint for item in self.list_potentials(potentials)}
        return Method(
            engine=self.name,
            functional=settings.functional or "?",
            hubbard={name: f"{hubbard[name].orbital} {hubbard[name].u:g}" for name in elements if name in hubbard},
            potentials={name: short_fingerprint(files[name]) for name in elements if files.get(name)},
        )

    def cutoff(self, settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> float | None:
        """Return the cut-off of the plane waves of a stage, eV; None if it is not known before the job.

        Args:
            settings: the stage.
            elements: those of the structure.
            potentials: family and mapping.
        """
        return None

    # ------------------------------------------------------------------ one stage
    @abstractmethod
    def inputs(
        self,
        code: AbstractCode,
        structure: StructureData,
        movable: NDArray[np.bool_],
        settings: StageSettings,
        potentials: Potentials,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the inputs of :attr:`workflow` for one stage, without its ``metadata``.

        Args:
            code: the executable.
            structure: sites grouped by element, kinds named after elements.
            movable: ``(m,)``, in site order.
            settings: the stage.
            potentials: family and mapping.
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

    # ------------------------------------------------------------------ afterwards
    def shared_families(self, nodes: Sequence[Node]) -> list[Group]:
        """Return the groups that go into an archive with some nodes: families of potentials that may be shared."""
        return []

    def written_by_stand_in(self, retrieved: FolderData) -> bool | None:
        """Return whether the files of a job say that a stand-in for the code wrote them; None if none could say it."""
        return None
