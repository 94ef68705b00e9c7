"""The metrics of a family: what is computed of one structure, and which averages are compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..plugins import load
from ..structures import StructureSet
from .distances import Metric
from .parameters import DescribeParameters

#: Atoms of each element.
Composition = Mapping[str, int]
#: By name ``(n, length)``: a vector of each of ``n`` structures.
Vectors = dict[str, NDArray[np.float64]]
#: name → (type, shape) of what is kept of a structure.
Fields = dict[str, tuple[Any, tuple[int, ...]]]


class SetOfRecords(Protocol):
    """A set of structures after all of them were described.

    Attributes:
        records: of those that could be analysed: ``records.column(name)``, ``records.blocks()``.
        energy_per_atom: ``(n,)`` of those, eV; None when unknown.
        area: ``(n,)`` of the face spanned by the first two lattice vectors, Å²; None when unknown.
        n_atoms: ``(n,)``; None when unknown.
    """

    @property
    def records(self) -> Any: ...  # noqa: D102
    @property
    def energy_per_atom(self) -> NDArray[np.float64] | None: ...  # noqa: D102
    @property
    def area(self) -> NDArray[np.float64] | None: ...  # noqa: D102
    @property
    def n_atoms(self) -> NDArray[np.int64] | None: ...  # noqa: D102


class FamilyMetrics(ABC):
    """The metrics of a family, with its parameters.

    Attributes:
        spec: what the family says about itself.
        name: of the family.
        parameters: of the task.
        own: the family's own table of parameters.
        compat: whether to give the authors' numbers where these are peculiar.
    """

    def __init__(self, parameters: DescribeParameters) -> None:
        self.spec = parameters.family
        self.name = self.spec.name
        self.parameters = parameters
        self.own = parameters.table
        self.compat = parameters.compat

    # ------------------------------------------------------------------ one structure
    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return what the numbers of a structure depend on besides the structure: plain values with versions."""

    @abstractmethod
    def fields(self, composition: Composition) -> Fields:
        """Return names, types and shapes of what :meth:`describe` gives for a structure of this composition."""

    @abstractmethod
    def describe(self, structure: StructureSet) -> Mapping[str, Any]:
        """Compute what is kept of a set of one structure.

        Raises:
            NotAnalysed: the structure cannot be described; says why.
        """

    def dtype(self, composition: Composition) -> np.dtype[Any]:
        """Return the type of one record."""
        return np.dtype([(name, kind, shape) for name, (kind, shape) in self.fields(composition).items()])

    # ------------------------------------------------------------------ a set
    def differs(self, composition: Composition, known: Composition) -> bool:
        """Say whether a composition is not what is known of another."""
        return dict(composition) != dict(known)

    def require_elements(self, composition: Composition, where: str) -> None:  # noqa: B027
        """Refuse a reference that the parameters do not fit, with ``BadInput``."""

    @abstractmethod
    def vectors(self, records: NDArray[Any], composition: Composition) -> Vectors:
        """Return the vectors that are averaged, of a block of records."""

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Return the metrics by name, in the order of the results."""

    @abstractmethod
    def labels(self) -> dict[str, list[str]]:
        """Return names of the components of the vectors; vectors that are alike share an entry (``features``)."""

    def curves(self) -> tuple[str, ...]:
        """Return the vectors whose averages are worth a picture: they get an interval for every component."""
        return ()

    def sites(self, composition: Composition) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield groups of sites with motifs: name in the results, field with the codes, and the anions counted."""
        yield from ()

    def per_structure(self) -> tuple[str, ...]:
        """Return the fields of a record that are given out for every structure."""
        return ()

    def summary(self, generated: SetOfRecords, reference: SetOfRecords) -> dict[str, Any]:
        """Return further results of the two sets (either may be empty); see ``properties`` of the spec."""
        return {}

    def properties(self, generated: SetOfRecords, reference: SetOfRecords) -> dict[str, NDArray[np.float64]]:
        """Return properties of the spec of each generated structure ``(n,)`` (NaN: not known), those that have one."""
        return {}

    # ------------------------------------------------------------------ the authors' files
    def published(self, folder: Path) -> tuple[NDArray[Any], Composition, tuple[str, ...]]:
        """Read the reference from the authors' csv files.

        Returns:
            Records, the composition of a structure as far as the files tell, and the vectors that are known.

        Raises:
            BadInput: files missing, or not as the authors write them; or there are none for this family.
        """
        raise BadInput(f"{folder}: there are no published files of {self.spec.label}; give structures")


def filled(dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    """Return ``n`` records in which every real number is NaN and every whole number zero."""
    records = np.zeros(n, dtype)
    for name in dtype.names or ():
        if dtype[name].base.kind == "f":
            records[name] = np.nan
    return records


def make_metrics(parameters: DescribeParameters) -> FamilyMetrics:
    """Return the metrics of the family that the parameters ask for.

    Raises:
        BadInput: the family names no such class, or one that is no ``FamilyMetrics``.
    """
    found = load(parameters.family.engine)
    if not (isinstance(found, type) and issubclass(found, FamilyMetrics)):
        raise BadInput(f"family '{parameters.kind}': {parameters.family.engine} is not a subclass of FamilyMetrics")
    return found(parameters)
