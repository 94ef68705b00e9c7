"""Labels from a calculator that stands in for DFT: the ionic steps of short relaxations, as a potential is trained on.

This is how the small interfaces get their labels. It is not density-functional theory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..methods import METHOD, Method
from ..ownership import Owner
from ..potentials.calculators import make_calculator
from ..store import Store
from ..structures import Property, StructureSet, to_ase, write_npz
from ..structures.set_npz import from_bytes, to_bytes
from ..units import EV_PER_A3_IN_GPA
from ..workers import Died, map_items

#: Largest displacement of an atom in one step, Å.
MAX_STEP = 0.2
OUTPUT = "labelled.npz"


def label(
    structures: StructureSet,
    settings: Mapping[str, Any],
    folder: Path,
    workers: int,
    report: Callable[[str], None],
) -> Path:
    """Relax structures for some steps with a calculator and keep every few of them with energy, forces and stress.

    Args:
        structures: where the relaxations begin.
        settings: ``calculator``; ``steps`` at most; ``every``, of which one is kept, the first and the last always;
            ``fmax``, where a relaxation ends (eV/Å).
        folder: of what is finished, and of the file.
        workers: processes.
        report: called with a line now and then.

    Returns:
        The file of labelled structures: ``energy`` (eV), ``forces`` (eV/Å), ``stress`` (GPa), ``trajectory``, ``step``,
        ``method``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = Owner({"task": "label", "structures": structures.content_hash, "settings": dict(settings)})
    store = Store(folder / "pieces.bin", owner)
    todo = [i for i in range(len(structures)) if i not in store]
    items = ((i, structures[i].without_properties()) for i in todo)
    done = len(structures) - len(todo)
    for (i, _), found in map_items(items, _labeller, (dict(settings), structures[:1]), workers):
        store.add(i, b"" if isinstance(found, Died) else found)
        done += 1
        if done % 10 == 0 or done == len(structures):
            report(f"interface/label: {done} of {len(structures)} relaxations with {settings['calculator']}")
    parts = [from_bytes(content) for i in range(len(structures)) if (content := store.read(i))]
    write_npz(StructureSet.concatenate(parts), folder / OUTPUT)
    return folder / OUTPUT


def _labeller(settings: dict[str, Any], one: StructureSet) -> Callable[[tuple[int, StructureSet]], bytes]:
    calculator = make_calculator(settings["calculator"], {}, None, "cpu", one)
    return partial(_label, calculator=calculator, settings=settings)


def _label(item: tuple[int, StructureSet], calculator: Any, settings: Mapping[str, Any]) -> bytes:
    """Return the labelled steps of one relaxation, as a file."""
    from ase.optimize import BFGS

    index, one = item
    atoms = to_ase(one)[0]
    atoms.calc = calculator
    steps: list[tuple[int, Any, float, Any, Any]] = []
    for number, converged in enumerate(
        BFGS(atoms, logfile=None, maxstep=MAX_STEP).irun(fmax=settings["fmax"], steps=settings["steps"])
    ):
        last = converged or number == settings["steps"]
        if number % settings["every"] and not last:
            continue
        stress = atoms.get_stress(voigt=False) * EV_PER_A3_IN_GPA
        steps.append((number, atoms.positions.copy(), atoms.get_potential_energy(), atoms.get_forces(), stress))
    numbers, positions, energies, forces, stresses = zip(*steps, strict=True)
    labelled = StructureSet.from_uniform(one.numbers, np.array(positions), one.cells[0], True)
    method = str(Method(settings["calculator"]))
    return to_bytes(
        labelled.with_properties(
            {
                "energy": Property(np.array(energies), "structure", "eV"),
                "forces": Property(np.concatenate(forces), "atom", "eV/Å"),
                "stress": Property(np.array(stresses), "structure", "GPa"),
                "trajectory": Property(np.full(len(steps), index), "structure"),
                "step": Property(np.array(numbers), "structure"),
                METHOD: Property(np.array([method] * len(steps)), "structure"),
            }
        )
    )
