"""From a set of structures to the one that is relaxed, and from its jobs back to labelled structures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Data, Dict, Int, Str, StructureData
from ase.data import chemical_symbols
from numpy.typing import NDArray

from ...data import StructureSetData
from ...data.structures import set_to_structure_data
from ...dft import IonicSteps, find
from ...engine.structures import Property, StructureSet

#: Two geometries are one when no coordinate differs by more, Å (files hold eight digits of the fraction).
SAME_GEOMETRY = 1e-5
#: Dropped steps that a summary names one by one; all are counted.
NAMED = 100


def grouped_order(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order in which atoms of one element stand together.

    Codes write one block of atoms for each species. Elements come in the order of their first atom, and the
    atoms of an element keep theirs, so that the order of the benchmark's own structures is not changed.

    Args:
        numbers: atomic numbers, ``(m,)``.

    Returns:
        Indices into ``numbers``, ``(m,)``.
    """
    numbers = np.asarray(numbers)
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(first[inverse], kind="stable").astype(np.int64)


@calcfunction
def take_structure(structures: StructureSetData, index: Int) -> StructureData:
    """Return structure ``index`` with kinds named by element and sites grouped by it (:func:`grouped_order`)."""
    chosen = structures.structures[index.value].without_properties()
    order = grouped_order(chosen.numbers)
    grouped = StructureSet(chosen.numbers[order], chosen.positions[order], chosen.cells, chosen.pbc, chosen.offsets)
    return set_to_structure_data(grouped)[0]


@calcfunction
def collect_steps(
    engine: Str,
    source: Str,
    methods: Dict,
    structures: StructureSetData,
    index: Int,
    trajectory: Int,
    **nodes: Data,
) -> dict[str, Any]:
    """Collect the ionic steps of all jobs on one structure.

    Args:
        engine: name of the DFT engine that reads the jobs.
        source: who computed the labels; the property ``source``.
        methods: ``method`` and ``cutoff`` (eV, or None) of each stage, ``stage_1`` and ``stage_2``; properties of the
            labels.
        structures: the set that the structure is from; its ``region`` is carried over.
        index: which of them.
        trajectory: number that the labels get as property ``trajectory``.
        nodes: output nodes of the jobs, named ``stage_S_run_RR_NAME``.

    Returns:
        ``labelled`` with all trusted steps, ``relaxed`` with the last one of stage 2, and ``summary`` with the
        numbers of jobs and steps, ``dropped_because`` (reason → count), ``dropped`` (stage, step and reason of the
        first :data:`NAMED`) and ``remarks`` (jobs whose output is cut or damaged); the first two are left out where
        there is no such step.
    """
    initial = structures.structures[index.value]
    order = grouped_order(initial.numbers)
    back = np.argsort(order)
    symbols = [chemical_symbols[number] for number in initial.numbers[order]]
    jobs = _jobs(nodes)
    reader = find(engine.value)
    start = initial.positions[order]
    steps: list[tuple[int, int, IonicSteps]] = []
    done = {1: 0, 2: 0}
    repeated = 0
    remarks: list[str] = []
    for number, (stage, found) in enumerate(jobs):
        result = reader.read(found, start)
        if any(name and name != symbol for name, symbol in zip(result.symbols, symbols, strict=False)):
            result = result.refused("its atoms are in another order than the structure's")
        again = _repeats(result, [item for other, _, item in steps if other == stage])
        result = result.without(again)
        repeated += int(again.sum())
        if result.remark:
            remarks.append(f"job {number}, stage {stage}: {result.remark}")
        steps.append((stage, done[stage], result))
        done[stage] += result.done
        start = result.positions[-1] if len(result.positions) else start
    described = methods.get_dict()
    labelled = [
        _label(initial, back, stage, first, item).with_properties(_described(described, stage, len(item.energies)))
        for stage, first, item in steps
        if len(item.energies)
    ]
    dropped = [
        {"stage": stage, "step": first + number, "reason": why}
        for stage, first, item in steps
        for number, why in item.left_out
    ]
    summary: dict[str, Any] = {
        "jobs": len(jobs),
        "ionic_steps": {"stage_1": done[1], "stage_2": done[2]},
        "dropped_steps": len(dropped),
        "dropped_because": dict(sorted(Counter(str(item["reason"]) for item in dropped).items())),
        "dropped": dropped[:NAMED],
        "remarks": remarks,
        "repeated_steps": repeated,
        "labelled_steps": sum(len(item.energies) for _, _, item in steps),
        "converged": any(stage == 2 and item.converged for stage, _, item in steps[-1:]),
    }
    outputs: dict[str, Any] = {"summary": Dict(summary)}
    if labelled:
        everything = StructureSet.concatenate(labelled).with_properties(
            {
                "trajectory": Property(np.full(summary["labelled_steps"], trajectory.value), "structure"),
                "source": Property(np.full(summary["labelled_steps"], source.value), "structure"),
            }
        )
        outputs["labelled"] = StructureSetData(everything)
        second = everything[np.flatnonzero(everything.values("stage") == 2)]
        if len(second):
            outputs["relaxed"] = StructureSetData(_relaxed(second, done[2], summary["converged"]))
    return outputs


@calcfunction
def summarise_labels(labelled: StructureSetData, failed: Dict, **summaries: Dict) -> Dict:
    """Add up what came out of the relaxations of many structures.

    Args:
        labelled: all labelled steps.
        failed: the structures whose relaxation failed.
        summaries: ``summary`` of :func:`collect_steps` for each structure, named ``structure_00000``.
    """
    each = [summaries[name].get_dict() for name in sorted(summaries)]
    dropped: Counter[str] = Counter()
    for item in each:
        dropped.update(item.get("dropped_because", {}))
    structures = labelled.structures
    stages = structures.values("stage")
    return Dict(
        {
            "structures": int(failed["structures"]),
            "failed": int(failed["count"]),
            "converged": sum(bool(item["converged"]) for item in each),
            "jobs": sum(item["jobs"] for item in each),
            "ionic_steps": sum(sum(item["ionic_steps"].values()) for item in each),
            "dropped_steps": sum(item["dropped_steps"] for item in each),
            "dropped_because": dict(sorted(dropped.items())),
            "repeated_steps": sum(item["repeated_steps"] for item in each),
            "labelled_steps": len(labelled),
            "labelled_steps_stage_1": int((stages == 1).sum()),
            "labelled_steps_stage_2": int((stages == 2).sum()),
            "labelled_structures": len(np.unique(structures.values("trajectory"))),
            "largest_force": float(np.linalg.norm(structures.values("forces"), axis=1).max()),
        }
    )


def _jobs(nodes: dict[str, Data]) -> list[tuple[int, dict[str, Data]]]:
    """Sort the flat keyword arguments ``stage_S_run_RR_NAME`` into jobs, in order."""
    jobs: dict[tuple[int, int], dict[str, Data]] = {}
    for key, node in nodes.items():
        _, stage, _, run, name = key.split("_", 4)
        jobs.setdefault((int(stage), int(run)), {})[name] = node
    return [(stage, jobs[stage, run]) for stage, run in sorted(jobs)]


def _repeats(item: IonicSteps, before: list[IonicSteps]) -> NDArray[np.bool_]:
    """Return which steps of a restarted job have a geometry that the jobs before it have computed, ``(n,)``.

    A job that goes on begins with the last geometry of the one before; one that had to start again repeats it all.
    """
    repeated = np.zeros(len(item.energies), dtype=bool)
    for i, (cell, positions) in enumerate(zip(item.cells, item.positions, strict=True)):
        for other in before:
            same = np.isclose(other.cells, cell, atol=SAME_GEOMETRY).all(axis=(1, 2))
            if not same.any():
                continue
            # whole lattice vectors apart is the same: the job may have wrapped what the one before had not
            shift = (other.positions[same] - positions) @ np.linalg.inv(cell)
            apart = (shift - np.round(shift)) @ cell
            repeated[i] |= bool((np.abs(apart) < SAME_GEOMETRY).all(axis=(1, 2)).any())
    return repeated


def _label(initial: StructureSet, back: NDArray[np.int64], stage: int, first: int, item: IonicSteps) -> StructureSet:
    """Return the steps of one job as a set, atoms in the order of the input."""
    n, m = len(item.energies), len(initial.numbers)
    properties = {
        "energy": Property(item.energies, "structure", "eV"),
        "forces": Property(item.forces[:, back].reshape(n * m, 3), "atom", "eV/Å"),
        "stress": Property(item.stresses, "structure", "GPa"),
        "step": Property(first + item.numbers, "structure"),
        "stage": Property(np.full(n, stage), "structure"),
    }
    if "region" in initial.properties:
        properties["region"] = Property(np.tile(initial.values("region"), n), "atom")
    return StructureSet.from_uniform(initial.numbers, item.positions[:, back], item.cells, initial.pbc[0], properties)


def _described(methods: dict[str, Any], stage: int, n: int) -> dict[str, Property]:
    """Return method and cut-off as properties of the steps of a stage; no cut-off unless that of all is known."""
    own = methods.get(f"stage_{stage}", {})
    found = {}
    if own.get("method"):
        found["method"] = Property(np.full(n, own["method"]), "structure")
    if all(item.get("cutoff") is not None for item in methods.values()) and own:
        found["cutoff"] = Property(np.full(n, float(own["cutoff"])), "structure", "eV")
    return found


def _relaxed(second: StructureSet, steps: int, converged: bool) -> StructureSet:
    """Return the last step of stage 2, with what the relaxation did as properties.

    ``energy_initial`` is the first energy of stage 2: that of stage 1 has another cut-off.
    """
    final = second[-1]
    fmax = float(np.linalg.norm(final.values("forces"), axis=1).max())
    return final.without_properties("step", "stage").with_properties(
        {
            "energy_initial": Property(second.values("energy")[:1], "structure", "eV"),
            "steps": Property(np.array([steps]), "structure"),
            "converged": Property(np.array([converged]), "structure"),
            "fmax": Property(np.array([fmax]), "structure", "eV/Å"),
        }
    )
