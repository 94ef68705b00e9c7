"""Task ``postprocess``: push atoms apart that are too close for a potential to make sense of.

The rule is that of Dismai-Bench: of each pair closer than 1.5 Å the second atom is moved along their
connection to 1.6 Å from the first, pair after pair, until a round finds none; a structure that still
has close pairs after 100 rounds has failed.

One thing differs from the authors' script on purpose. It takes the plain Cartesian difference as the
connection, which for a pair that is close only across the boundary of the cell moves the second atom
by nearly a whole cell, maybe into other atoms. Here the connection is the one through the boundary
(the nearest image), so the atom moves by the few tenths of an ångström that are missing. Pairs that are close inside
the cell come out the same to the last digit. ``compat`` pushes as the authors' script does. Exactly coincident atoms,
which became NaN there and passed, are moved apart in either case, in a direction that depends on their indices and
the round only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..context import Context
from ..errors import BadInput, Unfinished
from ..neighbours import Pairs, close_pairs, usable
from ..ownership import Owner
from ..store import Store
from ..structures import Property, StructureSet, load_structures, write_npz
from ..workers import Died, after_the_first, choose_threads, choose_workers, map_items
from .parameters import PostprocessParameters

#: Below this distance a connection has no direction worth keeping, Å.
COINCIDENT = 1e-6
#: What ``rounds`` holds for structures that failed, or were no structures.
FAILED, NONFINITE = -1, -2
#: Labels that belong to the positions before they were changed.
STALE = ("energy", "forces", "stress", "fmax", "converged", "steps", "energy_initial", "interface_energy")


def push_apart(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    parameters: PostprocessParameters,
) -> tuple[NDArray[np.float64], int]:
    """Push the close pairs of one structure apart.

    Args:
        positions: ``(n, 3)``, Å, left as they are.
        cell: ``(3, 3)``, Å.
        pbc: ``(3,)``.
        parameters: distances and the number of rounds.

    Returns:
        New positions ``(n, 3)`` (not wrapped into the cell) and the rounds it took, the last of which
        found nothing to do (1: the structure was fine); or :data:`FAILED` or :data:`NONFINITE`.
    """
    if not usable(positions, cell):
        return positions, NONFINITE
    positions = positions.copy()
    for turn in range(1, parameters.max_rounds + 1):
        pairs = close_pairs(positions, cell, pbc, parameters.min_distance)
        if not len(pairs.first):
            return positions, turn
        if (pairs.first == pairs.second).any():
            return positions, FAILED  # a lattice vector shorter than the distance: nothing can be pushed
        if parameters.compat:
            pairs = _once_and_unwrapped(pairs)
        for first, second, offset in zip(*pairs, strict=True):
            connection = positions[second] + offset - positions[first]
            length = np.linalg.norm(connection)
            if length < COINCIDENT:
                connection = np.random.default_rng([turn, first, second]).normal(size=3)
                length = np.linalg.norm(connection)
            positions[second] = positions[first] + connection / length * parameters.target_distance - offset
    return positions, FAILED


def _once_and_unwrapped(pairs: Pairs) -> Pairs:
    """Return each pair of atoms once, as if its connection did not cross a face of the cell."""
    atoms = np.unique(np.column_stack([pairs.first, pairs.second]), axis=0)
    return Pairs(atoms[:, 0], atoms[:, 1], np.zeros((len(atoms), 3)))


def run(context: Context, parameters: PostprocessParameters) -> dict[str, Any]:
    """Post-process generated structures.

    Writes ``structures.npz`` with those that passed, their properties, and two more: ``source_index``
    (place in the input, from 0) and ``rounds``. Energies, forces and other labels of the old positions are left out.

    Returns:
        ``n_structures``, ``n_passed``, ``failed`` (close pairs in the last round), ``failed_nonfinite``
        (NaN, infinite or absurd coordinates, or a cell without volume), ``failed_indices`` (both kinds),
        ``n_changed``, ``max_rounds`` and ``mean_rounds`` (of those that passed, None if none did), ``mean_close_pairs``
        (pairs of atoms closer than ``min_distance`` in a structure as it was generated; None if none was finite).
        That none passes is a result, not an error.

    Raises:
        BadInput: an empty set, or a checkpoint of another run.
        Unfinished: out of time; a checkpoint is there.
    """
    structures = load_structures(context.inputs["structures"])
    if not len(structures):
        raise BadInput("postprocess: the set of generated structures is empty")
    positions, rounds = _push_all(context, parameters, structures)
    passed = np.flatnonzero(rounds > 0)
    close = [_count_close(one, parameters.min_distance) for one in structures[np.flatnonzero(rounds != NONFINITE)]]
    result = structures.with_positions(positions).without_properties(*STALE)[passed]
    result = result.with_properties(
        {"source_index": Property(passed, "structure"), "rounds": Property(rounds[passed], "structure")}
    )
    write_npz(result, context.folder / "structures.npz")
    return {
        "n_structures": len(structures),
        "n_passed": len(passed),
        "n_changed": int((rounds > 1).sum()),
        "failed": int((rounds == FAILED).sum()),
        "failed_nonfinite": int((rounds == NONFINITE).sum()),
        "failed_indices": np.flatnonzero(rounds < 0).tolist(),
        "max_rounds": int(rounds[passed].max()) if len(passed) else None,
        "mean_rounds": float(rounds[passed].mean()) if len(passed) else None,
        "mean_close_pairs": float(np.mean(close)) if close else None,
    }


def _count_close(one: StructureSet, distance: float) -> int:
    """Return the number of pairs of atoms in a structure, images included, that are closer than a distance (Å)."""
    return len(close_pairs(one.positions, one.cells[0], one.pbc[0], distance).first)


def _push_all(
    context: Context, parameters: PostprocessParameters, structures: StructureSet
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the new positions ``(N, 3)`` and the rounds ``(n,)`` of all structures, resuming from a checkpoint."""
    owner = Owner.of_parameters("postprocess", parameters, structures=structures.content_hash)
    store = Store.in_folder(context.checkpoint, owner, warn=context.warn)
    positions, rounds = structures.positions.copy(), np.zeros(len(structures), dtype=np.int64)
    todo = []
    for i in range(len(structures)):
        if i not in store:
            todo.append((i, positions[structures.atoms_of(i)], structures.cells[i], structures.pbc[i]))
            continue
        with store.reading():
            kept = store.get(i)
            positions[structures.atoms_of(i)], rounds[i] = kept["positions"], kept["rounds"]
    done = len(structures) - len(todo)
    threads = choose_threads(None)
    workers = choose_workers(parameters.workers, len(todo), threads, context.cores, context.warn)
    stop = after_the_first(context.out_of_time)
    for (i, place, *_), found in map_items(todo, _pusher, (parameters,), workers, threads, stop):
        # a process that dies twice on a structure: it is no structure that could be used
        moved, count = (place, FAILED) if isinstance(found, Died) else found
        positions[structures.atoms_of(i)], rounds[i] = moved, count
        store.put(i, positions=moved, rounds=count)
        done += 1
        context.progress("postprocess", done, len(structures), rounds=int(count))
    if done < len(structures):
        raise Unfinished(f"{done} of {len(structures)} structures are post-processed; run again to resume")
    return positions, rounds


def _pusher(parameters: PostprocessParameters) -> Callable[[Any], tuple[NDArray[np.float64], int]]:
    """Return the function that pushes apart the atoms of one structure: its place, positions, cell and periodicity."""
    return lambda item: push_apart(item[1], item[2], item[3], parameters)
