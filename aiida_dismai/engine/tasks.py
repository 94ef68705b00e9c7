"""The tasks of the engine, in the order in which a benchmark uses them."""

from __future__ import annotations

from .errors import BadInput, nearest
from .task import Task

E_ = "aiida_dismai.engine."

TASKS = (
    Task(
        "interfaces.build",
        "random interfaces between two bulk crystals",
        parameters=E_ + "interfaces.parameters:InterfaceParameters",
        function=E_ + "interfaces.run:run",
        inputs={
            "slab_a": ("bulk crystal of the lower slab: npz, extxyz, cif, POSCAR", True),
            "slab_b": ("bulk crystal of the upper slab", True),
        },
        outputs=("structures.npz",),
        seeded=True,
    ),
    Task(
        "alloys.sample",
        "sample a lattice alloy by canonical Monte Carlo",
        parameters=E_ + "alloys.monte_carlo.parameters:SampleParameters",
        function=E_ + "alloys.monte_carlo.run:run",
        inputs={"expansion": ("two-body cluster expansion, JSON; Fe–Ni–Cr as in the paper if none is given", False)},
        outputs=("structures.npz", "snapshots.npz", "traces.npz"),
        seeded=True,
    ),
    Task(
        "amorphous.network",
        "make amorphous structures by bond switching (Wooten–Winer–Weaire)",
        parameters=E_ + "amorphous.network.parameters:NetworkParameters",
        function=E_ + "amorphous.network.run:run",
        outputs=("structures.npz",),
        seeded=True,
    ),
    Task(
        "amorphous.quench",
        "quench amorphous structures from the melt by molecular dynamics",
        parameters=E_ + "amorphous.quench.parameters:QuenchParameters",
        function=E_ + "amorphous.quench.run:run",
        outputs=("structures.npz",),
        seeded=True,
    ),
    Task(
        "amorphous.carve",
        "carve cells out of a large amorphous one",
        parameters=E_ + "amorphous.carve.parameters:CarveParameters",
        function=E_ + "amorphous.carve.run:run",
        inputs={"structures": ("large periodic cell (or several): npz, extxyz, LAMMPS data", True)},
        outputs=("structures.npz",),
        seeded=True,
    ),
    Task(
        "amorphous.measure",
        "coordination, angles, radial distribution, rings and density of amorphous structures",
        parameters=E_ + "amorphous.measuring.parameters:MeasureTaskParameters",
        function=E_ + "amorphous.measuring.run:run",
        inputs={"structures": ("structures to measure", True)},
        outputs=("measures.npz",),
    ),
    Task(
        "potential.train",
        "train an M3GNet potential on labelled structures",
        parameters=E_ + "potentials.parameters:TrainParameters",
        function=E_ + "potentials.train:run",
        inputs={"structures": ("labelled structures: energy, forces, stress, trajectory", True)},
        outputs=("potential", "potential_last", "curves.npz", "parity.npz"),
        seeded=True,
    ),
    Task(
        "potential.evaluate",
        "errors of a potential on labelled structures, or against DFT relaxations",
        parameters=E_ + "potentials.parameters:EvaluateParameters",
        function=E_ + "potentials.evaluate:run",
        inputs={
            "potential": ("folder of a trained potential", True),
            "structures": ("labelled structures", True),
            "relaxed": ("the structures as this potential relaxed them, for the check against DFT", False),
        },
        outputs=("parity.npz",),
    ),
    Task(
        "relax",
        "relax structures with a potential",
        parameters=E_ + "potentials.parameters:RelaxParameters",
        function=E_ + "potentials.relax:run",
        inputs={
            "structures": ("structures to relax", True),
            "potential": ("folder of a trained potential, for calculator 'm3gnet'", False),
        },
        outputs=("structures.npz",),
    ),
    Task(
        "generator.train",
        "train a generative model",
        parameters=E_ + "generators.parameters:TrainParameters",
        function=E_ + "generators.run:train",
        inputs={
            "structures": ("training structures", True),
            "validation": ("validation structures", False),
        },
        outputs=("generator", "curves.npz"),
        seeded=True,
    ),
    Task(
        "generator.sample",
        "generate structures with a trained model",
        parameters=E_ + "generators.parameters:SampleParameters",
        function=E_ + "generators.run:sample",
        inputs={"generator": ("folder of a trained model", True)},
        outputs=("structures.npz",),
        seeded=True,
    ),
    Task(
        "postprocess",
        "push atoms apart that are too close",
        parameters=E_ + "metrics.parameters:PostprocessParameters",
        function=E_ + "metrics.postprocess:run",
        inputs={"structures": ("generated structures", True)},
        outputs=("structures.npz",),
    ),
    Task(
        "describe",
        "compute what metrics average, structure by structure",
        parameters=E_ + "metrics.parameters:DescribeParameters",
        function=E_ + "metrics.run:describe",
        inputs={"structures": ("generated or training structures", True)},
        outputs=("records.bin",),
    ),
    Task(
        "metrics",
        "compare generated structures with training structures",
        parameters=E_ + "metrics.parameters:MetricsParameters",
        function=E_ + "metrics.run:run",
        inputs={
            "structures": ("generated structures, post-processed and relaxed", True),
            "reference": ("training structures, a reference written before (npz), or a folder of published csv", True),
            "validation": ("validation structures, for the noise floor", False),
            "records": ("records of some of the structures, from the task describe", False),
        },
        outputs=("per_structure.npz", "reference.npz"),
    ),
    Task(
        "compare",
        "compare the surroundings of cations in the region of the interface, set beside set",
        parameters=E_ + "comparison.parameters:CompareParameters",
        function=E_ + "comparison.run:run",
        inputs={
            "reference": ("training structures, with regions", True),
            "structures": ("structures to compare with them, such as generated ones of low energy", True),
            "other": ("another set to compare, such as random structures of high energy", False),
        },
        outputs=("comparison.npz",),
    ),
    Task(
        "check",
        "say what a job finds on its machine: GPU, cores, disk, clock, versions",
        parameters=E_ + "machine:CheckParameters",
        function=E_ + "machine:run",
    ),
)


def all_tasks() -> dict[str, Task]:
    """Return the tasks by name."""
    return {task.name: task for task in TASKS}


def find_task(name: str) -> Task:
    """Return a task by name.

    Raises:
        BadInput: no such task; names the nearest.
    """
    tasks = all_tasks()
    if name not in tasks:
        raise BadInput(f"unknown task '{name}'{nearest(name, tasks)}")
    return tasks[name]
