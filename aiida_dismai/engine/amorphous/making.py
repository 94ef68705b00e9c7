"""The frame of every task that makes amorphous structures, one after the other.

A structure is kept as soon as it has passed the gate, so that a stop or a kill costs at most the one that is being
made; that one can keep a half-way state of its own in :attr:`Attempt.scratch`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..context import Context
from ..errors import NothingLeft, Unfinished
from ..files import plain
from ..ownership import Owner
from ..store import PIECES, Store
from ..structures import Property, StructureSet, to_ase, write_npz
from ..structures.set_npz import from_bytes, to_bytes
from ..untrusted import STATE, read_json
from ..workers import Died, choose_threads, choose_workers, map_items
from .gate import judge
from .measures import Measures, measure, summarise
from .parameters import EnergyParameters, MakeParameters

OUTPUT = "structures.npz"


class Rejected(Exception):
    """This attempt led to nothing; the text is one of few, so that reasons can be counted."""


@dataclass
class Attempt:
    """One try at one structure.

    Attributes:
        index: of the structure in the whole set.
        number: of the attempt at this structure, from 0.
        set_seed: seed of the whole set.
        scratch: folder for a half-way state; empty when the attempt begins, still there when it is resumed.
        context: of the task.
    """

    index: int
    number: int
    set_seed: int
    scratch: Path
    context: Context

    @cached_property
    def rng(self) -> np.random.Generator:
        """The attempt's random numbers: of the seed, the structure and the attempt alone."""
        return np.random.default_rng(self._sequence())

    @property
    def seed(self) -> int:
        """A whole number from 1 to 2³¹ − 2 for programs that want one."""
        return 1 + int(self._sequence().spawn(1)[0].generate_state(1)[0]) % (2**31 - 2)

    def _sequence(self) -> np.random.SeedSequence:
        return np.random.SeedSequence(entropy=self.set_seed, spawn_key=(self.index, self.number))

    def out_of_time(self) -> bool:
        """Whether the task must stop now: keep what is worth keeping, then call :meth:`check_time`."""
        return self.context.out_of_time()

    def check_time(self) -> None:
        """Raise Unfinished when the time is up."""
        if self.out_of_time():
            raise Unfinished(f"stopped in structure {self.index}; run again to resume")

    def progress(self, stage: str, done: int, total: int, **numbers: Any) -> None:
        """Report what happens inside this structure."""
        self.context.progress(stage, done, total, structure=self.index, attempt=self.number, **numbers)


@dataclass(frozen=True)
class Made:
    """What an attempt gave.

    Attributes:
        structure: a set of one structure.
        numbers: scalars of this structure by name, which become properties of the set; the names are the same for all.
        units: of those that have one.
    """

    structure: StructureSet
    numbers: Mapping[str, float | int] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


def make_structures(
    context: Context,
    parameters: MakeParameters,
    key: Mapping[str, Any],
    make_one: Callable[[Attempt], Made],
    stage: str,
    elsewhere: tuple[Callable[..., Callable[[Attempt], Made]], tuple[Any, ...]] | None = None,
) -> dict[str, Any]:
    """Make structures, measure them, reject those that are not good enough; write ``structures.npz``.

    Every structure carries the properties ``index``, ``attempts``, ``energy`` (eV, where a potential is given) and
    the numbers of its making.

    Args:
        context: of the task.
        parameters: of the task.
        key: what else decides the result, for instance hashes of input files.
        make_one: gives a structure or raises :class:`Rejected`; must depend on the attempt alone.
        stage: of the progress.
        elsewhere: a function of a module and its arguments, which gives ``make_one`` in worker processes; all can be
            pickled. None where structures are made in this process whatever ``workers`` says.

    Returns:
        ``n_requested``, ``n_structures``, ``n_missing`` (no attempt was good enough), ``attempts``, ``rejected``
        (reason → count), ``seconds_per_structure`` (of those made, rejected attempts included), ``n_resumed``, averages
        of the numbers (name → mean), and the measures, see :func:`~.measures.summarise`.

    Raises:
        BadInput: a checkpoint of another run.
        NothingLeft: not one structure was good enough.
        Unfinished: out of time; run again in the same folder to resume.
    """
    energy_of = _energy_of(parameters)  # here, too, so that what is wrong with it is said at once
    owner = Owner.of_parameters("amorphous", parameters, seed=context.required_seed(), inputs=dict(key), stage=stage)
    kept = Kept(context.checkpoint, owner)
    indices = range(parameters.first, parameters.first + parameters.n_structures)
    found: dict[int, dict[str, Any]] = {}

    def note(index: int, entry: dict[str, Any]) -> None:
        found[index] = entry
        last = entry["measures"] or {}
        context.progress(
            stage,
            len(found),
            parameters.n_structures,
            structure=index,
            seconds=entry["seconds"],
            rejected=sum(sum(one["rejected"].values()) for one in found.values()),
            bond_angle_sigma=last.get("bond_angle_sigma"),
            fourfold_percent=(last.get("coordination_percent") or {}).get("4", 0.0),
        )

    for index in indices:
        if (entry := kept.find(index)) is not None:
            note(index, entry)
    resumed = len(found)
    todo = [index for index in indices if index not in found]
    threads = choose_threads(None)
    workers = choose_workers(parameters.workers, len(todo), threads, context.cores, context.warn) if elsewhere else 1
    setup: Callable[..., Callable[[int], Any]] = partial(_maker, context, parameters, make_one, energy_of, kept)
    if workers > 1:
        assert elsewhere is not None
        setup = partial(_maker_elsewhere, replace(context, watch=None), parameters, owner, *elsewhere)
    halfway: list[int] = []

    def stop() -> bool:
        return bool(halfway) or context.out_of_time()

    for index, result in map_items(todo, setup, (), workers, threads, stop):
        if result is None:
            halfway.append(index)
            continue
        if isinstance(result, Died):
            kept.keep(index, None, None, 1, Counter({"killed": 1}), 0.0)
        elif workers > 1:
            kept.take_over(index, owner)
        entry = kept.find(index)
        assert entry is not None
        note(index, entry)
    if len(found) < parameters.n_structures:
        raise Unfinished(f"{len(found)} of {parameters.n_structures} structures are made; run again to resume")
    entries = [found[index] for index in indices]
    return _collect(context, parameters, entries, kept) | {"n_resumed": resumed}


def _energy_of(parameters: MakeParameters) -> Callable[[StructureSet], float] | None:
    return potential_energy(parameters.energies, [parameters.number]) if parameters.energies else None


def _maker(
    context: Context,
    parameters: MakeParameters,
    make_one: Callable[[Attempt], Made],
    energy_of: Callable[[StructureSet], float] | None,
    kept: Kept,
) -> Callable[[int], dict[str, Any]]:
    """Return the function that makes the structure of an index in this process."""
    return lambda index: _make(context, parameters, index, make_one, energy_of, kept)


def _maker_elsewhere(
    context: Context,
    parameters: MakeParameters,
    owner: Owner,
    setup: Callable[..., Callable[[Attempt], Made]],
    arguments: tuple[Any, ...],
) -> Callable[[int], bool | None]:
    """As :func:`_maker` in a worker process, in a folder of the structure's own; gives None where the time is up."""
    make_one, energy_of = setup(*arguments), _energy_of(parameters)

    def make(index: int) -> bool | None:
        folder = own_folder(context.checkpoint, index)
        if not (folder / PIECES).is_file():  # killed before the first attempt was over
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        try:
            _make(context, parameters, index, make_one, energy_of, Kept(folder, owner))
        except Unfinished:
            return None
        return True

    return make


def own_folder(checkpoint: Path, index: int) -> Path:
    """Return the folder of a structure that a worker is making."""
    return checkpoint / f".structure_{index:07d}"


def _make(
    context: Context,
    parameters: MakeParameters,
    index: int,
    make_one: Callable[[Attempt], Made],
    energy_of: Callable[[StructureSet], float] | None,
    kept: Kept,
) -> dict[str, Any]:
    """Attempt a structure until one passes the gate; return what is kept of it."""
    number, rejected, spent = kept.begun(index)
    while number < parameters.max_attempts:
        started = time.monotonic()
        attempt = Attempt(index, number, context.required_seed(), kept.scratch(index, number), context)
        try:
            made = make_one(attempt)
            energy = None if energy_of is None else energy_of(made.structure)
            measures = measure(made.structure, parameters.measures, energy)
            reason = judge(measures, parameters.gate)
        except Rejected as why:
            reason = str(why)
        except Unfinished:
            kept.keep_begun(index, number, rejected, spent + time.monotonic() - started)
            raise
        spent += time.monotonic() - started
        number += 1
        if reason is None:
            return kept.keep(index, made, measures, number, rejected, spent)
        rejected[reason] += 1
        kept.keep_begun(index, number, rejected, spent)
    return kept.keep(index, None, None, number, rejected, spent)


def potential_energy(parameters: EnergyParameters, numbers: Sequence[int]) -> Callable[[StructureSet], float]:
    """Return the function that computes the energy of a structure, eV.

    Args:
        parameters: the calculator.
        numbers: atomic numbers that will occur.

    Raises:
        BadInput: a calculator that cannot be had, or that does not know an element.
    """
    from ..potentials.calculators import make_calculator

    atoms = StructureSet.from_uniform(list(numbers), np.zeros((1, len(numbers), 3)), np.eye(3))
    calculator = make_calculator(parameters.calculator, parameters.calculator_kwargs, None, "cpu", atoms)

    def energy(structure: StructureSet) -> float:
        return float(calculator.get_property("energy", to_ase(structure.without_properties())[0]))

    return energy


class Kept:
    """Finished structures and what is known of each, and the attempts at the running one with their half-way states.

    Raises:
        BadInput: what is in the folder belongs to another run.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.folder = folder
        self.store = Store.in_folder(folder, owner)

    def find(self, index: int) -> dict[str, Any] | None:
        """Return what is known of a finished structure."""
        entry = self._read(index)
        return None if entry is None or (entry["made"] and f"{index} structure" not in self.store) else entry

    def structure(self, index: int) -> StructureSet:
        """Return a finished structure."""
        with self.store.reading():
            return from_bytes(self.store.read(f"{index} structure"))

    def take_over(self, index: int, owner: Owner) -> None:
        """Take what a worker has finished from its folder."""
        folder = own_folder(self.folder, index)
        theirs = Kept(folder, owner)
        for key in (f"{index} structure", index):
            if key in theirs.store:
                self.store.add(key, theirs.store.read(key))
        shutil.rmtree(folder)

    def scratch(self, index: int, number: int) -> Path:
        """Return the folder of a running attempt."""
        folder = self.folder / f"attempt_{index:07d}_{number}"
        folder.mkdir(exist_ok=True)
        return folder

    def begun(self, index: int) -> tuple[int, Counter[str], float]:
        """Return how many attempts at a structure are over, why they were rejected, and the seconds spent."""
        found = self._read(f"{index} begun") or {"number": 0, "rejected": {}, "seconds": 0.0}
        with self.store.reading():
            return int(found["number"]), Counter(dict(found["rejected"])), float(found["seconds"])

    def keep_begun(self, index: int, number: int, rejected: Counter[str], seconds: float) -> None:
        """Write down the attempts that are over; their half-way states are of no use any more."""
        self._write(f"{index} begun", {"number": number, "rejected": dict(rejected), "seconds": seconds})
        self._clear(index, number)

    def _read(self, key: int | str) -> Any:
        return read_json(self.store.read(key), self.store.path, STATE) if key in self.store else None

    def _write(self, key: int | str, content: dict[str, Any]) -> None:
        self.store.add(key, json.dumps(plain(content)).encode())

    def _clear(self, index: int, attempts: int) -> None:
        for path in self.folder.glob(f"attempt_{index:07d}_*"):
            if int("0" + path.name.rpartition("_")[2]) < attempts:
                shutil.rmtree(path, ignore_errors=True)

    def keep(
        self,
        index: int,
        made: Made | None,
        measures: Measures | None,
        attempts: int,
        rejected: Counter[str],
        seconds: float,
    ) -> dict[str, Any]:
        """Write a finished structure, or that there is none; what is known of it comes last and makes it count."""
        if made is not None:
            structure = made.structure.with_properties(
                {
                    name: Property(np.array([value]), "structure", made.units.get(name, ""))
                    for name, value in {"index": index, "attempts": attempts, **made.numbers}.items()
                }
            )
            self.store.add(f"{index} structure", to_bytes(structure))
        entry = {
            "index": index,
            "made": made is not None,
            "attempts": attempts,
            "rejected": dict(rejected),
            "seconds": seconds,
            "numbers": dict(made.numbers) if made is not None else {},
            "measures": measures.to_dict() if measures is not None else None,
        }
        self._write(index, entry)
        self._clear(index, attempts)
        return dict(self._read(index))


def _collect(context: Context, parameters: MakeParameters, entries: list[dict[str, Any]], kept: Kept) -> dict[str, Any]:
    """Write the structures and return what is said of them."""
    rejected: Counter[str] = Counter()
    for entry in entries:
        rejected.update(entry["rejected"])
    made = [entry for entry in entries if entry["made"]]
    attempts = sum(entry["attempts"] for entry in entries)
    if not made:
        raise NothingLeft(
            f"not one of {len(entries)} structures passed the gate in {attempts} attempts: "
            + ", ".join(f"{reason} {count}×" for reason, count in rejected.most_common())
            + "; loosen the gate, anneal or cool more slowly, or allow more attempts"
        )
    with kept.store.reading():
        measures = [Measures.from_dict(entry["measures"]) for entry in made]
    structures = StructureSet.concatenate([kept.structure(entry["index"]) for entry in made])
    energies = [item.energy_per_atom for item in measures]
    if all(value is not None for value in energies):
        structures = structures.with_property("energy", np.array(energies, dtype=float) * np.diff(structures.offsets))
    write_npz(structures, context.folder / OUTPUT)
    seconds = [entry["seconds"] for entry in entries]
    names = list(made[0]["numbers"])
    return {
        "n_requested": parameters.n_structures,
        "n_structures": len(made),
        "n_missing": len(entries) - len(made),
        "attempts": attempts,
        "rejected": dict(rejected),
        "averages": {name: float(np.mean([entry["numbers"][name] for entry in made])) for name in names},
        "seconds_per_structure": float(np.sum(seconds)) / len(made),
        **summarise(measures),
        "timings": {"make": float(np.sum(seconds))},
    }
