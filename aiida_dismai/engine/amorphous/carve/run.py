"""The task ``amorphous.carve``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...context import Context
from ...structures import StructureSet
from ...structures.files import load_structures
from ..bonds import bonds_within
from ..making import Attempt, Made, Rejected, make_structures
from .anneal import Annealer, BrokeDown
from .large import LargeCell, look_at
from .parameters import CarveParameters
from .plan import Plan
from .seam import Rules, close
from .windows import Window, pick

UNITS = {"centre_x": "Å", "centre_y": "Å", "centre_z": "Å", "carved_shortest_distance": "Å"}


def run(context: Context, parameters: CarveParameters) -> dict[str, Any]:
    """Carve structures and write ``structures.npz``.

    Every structure carries where it is from (``large_cell``, ``centre_x`` … in the frame of the carving), its largest
    ``overlap`` with an earlier one (share of the atoms), how many atoms were dropped, added, moved by healing and free
    in annealing, ``seam_defects`` (atoms with another coordination than in the large cell, before annealing) and the
    shortest distance (Å).

    Returns:
        What :func:`~..making.make_structures` gives, and ``large_cells``: of each how many atoms, density (g/cm³), the
        windows' side (Å), mean bond length (Å) and the share of its atoms with the typical coordination.

    Raises:
        BadInput: a large cell that cannot be carved (:func:`~.large.look_at`), or more structures than it holds.
        NothingLeft: no structure passed the gate.
        Unfinished: out of time; run again to resume.
    """
    path = context.inputs["structures"]
    cells, windows, annealer = _prepare(path, parameters, context.required_seed())
    make_one = partial(_carve_one, cells=cells, windows=windows, parameters=parameters, annealer=annealer)
    key = {"structures": hashlib.sha256(path.read_bytes()).hexdigest()}
    results = make_structures(
        context, parameters, key, make_one, "carve", (_maker, (path, parameters, context.required_seed()))
    )
    return results | {
        "large_cells": [_about(cell, parameters) for cell in cells],
        "largest_overlap": max(window.overlap for window in windows),
    }


def _prepare(
    path: Path, parameters: CarveParameters, seed: int
) -> tuple[list[LargeCell], list[Window], Annealer | None]:
    cells = look_at(load_structures(path, element=parameters.element), parameters)
    annealer = Annealer(parameters.anneal, parameters.number) if parameters.anneal else None
    return cells, Plan(cells, parameters, seed).windows(parameters.first, parameters.n_structures), annealer


def _maker(path: Path, parameters: CarveParameters, seed: int) -> Callable[[Attempt], Made]:
    cells, windows, annealer = _prepare(path, parameters, seed)
    return partial(_carve_one, cells=cells, windows=windows, parameters=parameters, annealer=annealer)


def _carve_one(
    attempt: Attempt,
    cells: list[LargeCell],
    windows: list[Window],
    parameters: CarveParameters,
    annealer: Annealer | None,
) -> Made:
    attempt.check_time()
    window = windows[attempt.index - parameters.first]
    return carve(cells[window.cell], window, attempt.number, attempt.seed, parameters, annealer)


def carve(
    large: LargeCell,
    window: Window,
    number: int,
    seed: int,
    parameters: CarveParameters,
    annealer: Annealer | None,
) -> Made:
    """Cut a window out, make it periodic, scale it to the density, and anneal its seam.

    Args:
        large: the large cell.
        window: where.
        number: of the attempt; the first takes the best place, others the next best.
        seed: of the annealing.
        parameters: of the task.
        annealer: of the seam, if it has defects.

    Raises:
        Rejected: there is no further place, too many atoms would have to be dropped or added, or annealing failed.
    """
    if number > len(window.alternatives):
        raise Rejected("no other place for the window")
    centre: NDArray[np.float64] = window.alternatives[number - 1] if number else window.centre
    atoms, inside = pick(large, centre, window.rotation)
    rules = Rules(
        parameters.n_atoms,
        large.side,
        parameters.measures.bond_cutoff,
        parameters.min_distance,
        large.bond_length,
        large.typical,
        parameters.heal,
    )
    closed = close(inside, large.coordination[atoms], rules, int(parameters.max_edits * parameters.n_atoms))
    if closed is None:
        raise Rejected("too many atoms to drop or add at the seam")
    positions, n_annealed = closed.positions * (large.final / large.side), 0
    if annealer is not None and closed.defects:
        try:
            positions, n_annealed = annealer.run(positions, large.final, seed)
        except BrokeDown as error:
            raise Rejected("annealing the seam broke down") from error
    structure = StructureSet.from_uniform(
        np.full(parameters.n_atoms, parameters.number), positions[None], np.eye(3) * large.final
    )
    numbers: dict[str, float | int] = {
        "large_cell": large.source,
        "centre_x": float(centre[0]),
        "centre_y": float(centre[1]),
        "centre_z": float(centre[2]),
        "overlap": window.overlap,
        "n_removed": closed.n_removed,
        "n_added": closed.n_added,
        "n_moved": closed.n_moved,
        "n_annealed": n_annealed,
        "seam_defects": closed.defects,
        "carved_shortest_distance": float(bonds_within(structure, 2 * large.bond_length).lengths.min(initial=np.inf)),
    }
    return Made(structure, numbers, UNITS)


def _about(cell: LargeCell, parameters: CarveParameters) -> dict[str, Any]:
    own = float(np.mean(cell.coordination == cell.typical))
    return {
        "n_atoms": len(cell.positions),
        "n_disjoint": 0 if parameters.rotate else int(np.prod(cell.fits)),
        "window_side": cell.side,
        "structure_side": cell.final,
        "bond_length": cell.bond_length,
        "typical_coordination": cell.typical,
        "typical_percent": 100 * own,
    }
