"""One structure as a file gives it, and many of them joined to a set."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .conventions import SIGMA0, normalise
from .properties import Property, unit_of
from .texts import concatenated

#: Keys of ours in extended XYZ: units of properties that others do not know, and shapes of atoms' properties.
UNITS_KEY = "property_units"
SHAPES_KEY = "property_shapes"
#: What a reader of the file should know, such as who computed its energies; it is no property of a structure.
NOTE_KEY = "dismai_note"
#: Structures that are joined at once.
BLOCK = 64


@dataclass
class Frame:
    """One structure.

    Attributes:
        where: file and frame, for errors.
        numbers: atomic numbers, ``(n,)``.
        positions: Å, ``(n, 3)``.
        cell: rows are vectors, Å, ``(3, 3)``.
        pbc: ``(3,)``.
        info: properties of the structure, by name.
        arrays: properties of its atoms, by name.
        units: of properties, where the file says them.
    """

    where: str
    numbers: NDArray[Any]
    positions: NDArray[Any]
    cell: NDArray[Any]
    pbc: NDArray[Any]
    info: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    units: dict[str, Any] = field(default_factory=dict)

    def prepare(self, wanted: Container[str] | None, atoms: bool) -> None:
        """Bring names, units and kinds to the project's, and leave out what is not wanted.

        Args:
            wanted: names of the properties of structures that are kept, None for all.
            atoms: whether properties of atoms are kept.

        Raises:
            BadInput: a property that cannot be what it says.
        """
        volume = abs(float(np.linalg.det(self.cell)))
        if not atoms:
            self.arrays.clear()
        units, shapes = self.info.pop(UNITS_KEY, {}), self.info.pop(SHAPES_KEY, {})
        self.info.pop(NOTE_KEY, None)
        normalise(self.info, self.arrays, volume, self.where, wanted)
        if wanted is not None:
            self.info = {name: value for name, value in self.info.items() if name in wanted}
        self.units = units if isinstance(units, dict) else {}
        for name, shape in shapes.items() if isinstance(shapes, dict) and atoms else ():
            if name in self.arrays:
                try:
                    self.arrays[name] = self.arrays[name].reshape(len(self.numbers), *shape)
                except (ValueError, TypeError) as error:
                    raise BadInput(f"{self.where}: {SHAPES_KEY} does not fit the property '{visible(name)}'") from error
        if both := sorted(set(self.info) & set(self.arrays)):
            raise BadInput(
                f"{self.where}: '{visible(both[0])}' is a property of the structure and of its atoms; rename one of "
                "them"
            )

    def require_lattice(self) -> None:
        """Refuse a structure whose cell has no volume; what is not finite may be what a model generated."""
        if abs(float(np.linalg.det(self.cell))) < 1e-6:
            raise BadInput(
                f'{self.where}: has no lattice, or one without volume; extxyz gives it as Lattice="ax ay az bx by bz '
                "cx cy "
                'cz" (Å)'
            )

    def exemplar(self) -> Frame:
        """Return the structure with one of its atoms, which says what others must be like."""
        arrays = {name: array[:1] for name, array in self.arrays.items()}
        return replace(self, numbers=self.numbers[:1], positions=self.positions[:1], arrays=arrays)


def join_many(frames: Iterable[Frame]) -> StructureSet:
    """Join prepared frames to a set, a block at a time: as objects they take many times the memory of their numbers.

    Raises:
        BadInput: as :func:`join`.
    """
    sets = list(joined_blocks(frames, BLOCK))
    if any(SIGMA0 in item.properties for item in sets):
        sets = [
            item.with_properties({SIGMA0: item.properties["energy"]})
            if SIGMA0 not in item.properties and "energy" in item.properties
            else item
            for item in sets
        ]
    return StructureSet.concatenate(sets) if sets else StructureSet.empty()


def joined_blocks(frames: Iterable[Frame], size: int) -> Iterator[StructureSet]:
    """Join prepared frames to sets of ``size`` (the last may be smaller), all with the properties of the first frame.

    Raises:
        BadInput: as :func:`join`.
    """
    first: Frame | None = None
    waiting = iter(frames)
    while block := list(itertools.islice(waiting, size)):
        if first is None:
            first = block[0].exemplar()
            yield join(block)
        else:
            yield join([first, *block])[1:]


def join(frames: Sequence[Frame]) -> StructureSet:
    """Join prepared frames to a set.

    Raises:
        BadInput: a property that only some of them have, or whose values differ in kind or shape; names the frame.
    """
    if not frames:
        return StructureSet.empty()
    first = frames[0]
    if any(SIGMA0 in frame.info for frame in frames):
        for frame in frames:  # where both energies are the same, only one of them is kept
            if "energy" in frame.info:
                frame.info.setdefault(SIGMA0, frame.info["energy"])
    for frame in frames:
        for level, here, there in (("", frame.info, first.info), ("of atoms ", frame.arrays, first.arrays)):
            if odd := sorted(set(here) ^ set(there)):
                has, lacks = (frame, first) if odd[0] in here else (first, frame)
                other = lacks.where.rpartition(": ")[2]
                raise BadInput(
                    f"{has.where}: the property {level}'{visible(odd[0], 60)}' is not in all frames ({other} lacks it);"
                    " give it to all or to none"
                )
    properties = {}
    for name in first.info:
        values = _column(name, frames)
        properties[name] = Property(values, "structure", _unit(name, first))
    for name, array in first.arrays.items():
        for frame in frames:
            _refuse_other_kind(name, frame, np.asarray(frame.arrays[name]), np.asarray(array), atoms=True)
        joined = concatenated([np.asarray(frame.arrays[name]) for frame in frames], f"{first.where}: '{visible(name)}'")
        properties[name] = Property(joined, "atom", _unit(name, first))
    try:
        return StructureSet(
            np.concatenate([frame.numbers for frame in frames]),
            np.concatenate([frame.positions for frame in frames]),
            np.array([frame.cell for frame in frames]),
            np.array([frame.pbc for frame in frames]),
            np.concatenate([[0], np.cumsum([len(frame.numbers) for frame in frames])]),
            properties,
        )
    except BadInput as error:
        raise BadInput(f"{first.where}: {error}") from error


def _column(name: str, frames: Sequence[Frame]) -> NDArray[Any]:
    arrays = []
    for frame in frames:
        value = frame.info[name]
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError, RecursionError) as error:
            raise _no_value(name, frame) from error
        if array.dtype.kind not in "biufU" or (array.dtype.kind == "U" and not _is_text(value)):
            raise _no_value(name, frame)
        arrays.append(array)
        _refuse_other_kind(name, frame, array, arrays[0], atoms=False)
    return concatenated([array[None] for array in arrays], f"{frames[0].where}: '{visible(name)}'")


def _is_text(value: Any) -> bool:
    """Whether what became an array of texts was text: numpy makes texts of mixed lists."""
    if isinstance(value, list):
        return all(_is_text(item) for item in value)
    return isinstance(value, (str, np.ndarray))


def _no_value(name: str, frame: Frame) -> BadInput:
    return BadInput(
        f"{frame.where}: the property '{visible(name, 60)}' must be a number, a text, or an array of numbers or texts, "
        f"not {visible(frame.info[name], 60)}"
    )


#: Kinds of arrays that may stand beside each other.
KINDS = {"b": "truth values", "i": "numbers", "u": "numbers", "f": "numbers", "U": "text"}


def _refuse_other_kind(name: str, frame: Frame, array: NDArray[Any], first: NDArray[Any], atoms: bool) -> None:
    shape, wanted = (array.shape[1:], first.shape[1:]) if atoms else (array.shape, first.shape)
    kind, usual = KINDS.get(array.dtype.kind), KINDS.get(first.dtype.kind)
    if kind != usual and array.size and first.size:
        raise BadInput(
            f"{frame.where}: the property '{visible(name, 60)}' is {kind} here and {usual} in earlier frames"
        )
    if shape != wanted:
        raise BadInput(
            f"{frame.where}: the property '{visible(name, 60)}' has the shape {shape} here and {wanted} in earlier "
            "frames"
        )


def _unit(name: str, frame: Frame) -> str:
    unit = frame.units.get(name)
    return unit if isinstance(unit, str) else unit_of(name)
