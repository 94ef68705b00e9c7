"""Single nodes for the graph in ``handmade``: data with known numbers, and processes with their links."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from aiida import orm
from aiida.common.links import LinkType

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.metrics.places import choose
from aiida_dismai.engine.structures import Property, StructureSet

NUMBERS = [3, 3, 27, 8, 8, 8]


def structures(n: int, seed: int, numbers: Any = None, **properties: Any) -> StructureSet:
    """Return ``n`` random cells of six atoms with these properties of each structure."""
    numbers = NUMBERS if numbers is None else np.asarray(numbers)
    random = np.random.default_rng(seed)
    cell = np.diag([5.0, 6.0, 7.0])
    positions = random.uniform(0, 5, (n, len(numbers), 3))
    given = {name: Property(np.asarray(values), "structure") for name, values in properties.items()}
    return StructureSet.from_uniform(numbers, positions, cell, properties=given)


def relaxed(n: int, seed: int, level: float) -> StructureSetData:
    """Return relaxed structures with energies near ``level`` eV/atom; the last one did not converge."""
    random = np.random.default_rng(seed)
    converged = np.ones(n, dtype=bool)
    converged[-1] = n == 1
    energies = len(NUMBERS) * (level + random.normal(0, 0.02, n))
    return StructureSetData(
        structures(
            n, seed, energy=energies, converged=converged, steps=random.integers(5, 90, n), fmax=np.full(n, 0.04)
        )
    )


def arrays(**values: Any) -> orm.ArrayData:
    """Return an array node."""
    node = orm.ArrayData()
    for name, value in values.items():
        node.set_array(name, np.asarray(value))
    return node


def process(
    cls: type,
    kind: str,
    name: str,
    inputs: dict[str, orm.Data] | None = None,
    outputs: dict[str, orm.Data] | None = None,
    caller: Any = None,
    call: str = "CALL",
    exit_status: int | None = 0,
    message: str | None = None,
) -> Any:
    """Store a process node with its links; workflows get their outputs later (:func:`finish`)."""
    node = cls()
    node.set_process_type(kind)
    node.set_process_label(name)
    work = issubclass(cls, orm.WorkflowNode)
    for label, value in (inputs or {}).items():
        link = LinkType.INPUT_WORK if work else LinkType.INPUT_CALC
        node.base.links.add_incoming(value if value.is_stored else value.store(), link, label)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK if work else LinkType.CALL_CALC, call)
    if issubclass(cls, orm.CalcJobNode) and inputs and "code" in inputs:
        node.computer = inputs["code"].computer
    node.store()
    for label, value in (outputs or {}).items():
        value.base.links.add_incoming(node, LinkType.CREATE, label)
        value.store()
    if not work and exit_status is not None:
        end(node, exit_status, message)
    return node


def end(node: Any, exit_status: int = 0, message: str | None = None) -> None:
    """Let a process be finished."""
    node.set_process_state("finished")
    node.set_exit_status(exit_status)
    if message:
        node.set_exit_message(message)
    node.seal()


def finish(node: Any, outputs: dict[str, orm.Data], exit_status: int = 0, message: str | None = None) -> None:
    """Return outputs from a workflow and end it."""
    for label, value in outputs.items():
        value.base.links.add_incoming(node, LinkType.RETURN, label)
    end(node, exit_status, message)


def results(task: str, **values: Any) -> orm.Dict:
    """Return a results Dict as the parser makes it."""
    record = {
        "task": task,
        "status": "finished",
        "device": "cpu",
        "versions": {"torch": "2.7.0"},
        "timings": {"total": 2.0},
    }
    return orm.Dict(record | values)


def interval(value: float | None) -> dict[str, float | None]:
    """Return an interval as the metrics have it."""
    return {
        "value": value,
        "lower": None if value is None else 0.9 * value,
        "upper": None if value is None else 1.1 * value,
    }


def measure(value: float | None, floor: float) -> dict[str, float | None]:
    """Return an interval with its noise floor."""
    return interval(value) | {"floor": floor}


def noise_floor(validation: float, **floors: float) -> dict[str, Any]:
    """Return the noise floor as the metrics have it: intervals of 20 %, the validation set at ``validation``."""
    own = {name: {"value": value, "lower": 0.8 * value, "upper": 1.2 * value} for name, value in floors.items()}
    beside = {name: interval(2 * validation) | {"at_measured": validation} for name in floors}
    return {"structures": [4, 4], "metrics": own, "validation": {"structures": 2, "metrics": beside}}


def motif(label: str, training: float, generated: float) -> dict[str, Any]:
    """Return a motif as the metrics have it."""
    by_anion = {"O": [{"neighbours": 4, "training_percent": training, "generated_percent": interval(generated)}]}
    return {
        "label": label,
        "cn": int(label.rpartition("_")[2]),
        "training_percent": training,
        "generated_percent": interval(generated),
        "by_anion": by_anion,
    }


def metrics(d_all: float | None, failed: float, n_generated: int) -> orm.Dict:
    """Return the results of the task `metrics`."""
    return results(
        "metrics",
        kind="interface",
        d_Li=measure(d_all and 1.5 * d_all, 0.03),
        d_all=measure(d_all, 0.02),
        cos_all=measure(d_all and d_all / 10, 0.001),
        failed_percent=measure(failed, 0.0),
        noise_floor=noise_floor(0.01, d_Li=0.03, d_all=0.02, cos_all=0.001),
        mean_relaxation_steps=None if d_all is None else 1000 * d_all,
        motifs={"Li": [motif("tetrahedral CN_4", 60.0, 50.0), motif("octahedral CN_6", 25.0, 30.0)]},
        n_generated=n_generated,
        n_given=n_generated,
        n_analysed=round(n_generated * (1 - failed / 100)),
        n_not_analysed=1,
        n_reference=8,
    )


def per_structure(n: int, seed: int) -> orm.ArrayData:
    """Return the measures of every structure."""
    random = np.random.default_rng(seed)
    distances = {name: random.uniform(0.05, 0.4, n) for name in ("d_Li", "d_all")}
    shown = {f"shown_{name}": choose(values) for name, values in distances.items()}
    return arrays(
        index=np.arange(n),
        source_index=np.arange(n),
        **distances,
        **shown,
        **{f"shown_training_{name}": np.array([1, 4, 7]) for name in distances},
        cos_all=random.uniform(0.0, 0.02, n),
        energy_per_atom=random.normal(-4.8, 0.02, n),
        steps=random.integers(5, 90, n),
        vector_all=np.zeros((n, 3)),
        average_all=np.zeros(n),
        labels_features=np.array(["wt CN_1", "wt CN_2", "wt CN_3"]),
    )


def code(computer: orm.Computer, label: str, plugin: str, executable: str) -> orm.InstalledCode:
    """Return a code."""
    return orm.InstalledCode(
        computer=computer, filepath_executable=executable, label=label, default_calc_job_plugin=plugin
    ).store()


def potcar(symbol: str) -> Any:
    """Return the hash of a POTCAR (there is no POTCAR)."""
    from aiida_vasp.data.potcar import PotcarData

    node = PotcarData()
    for name, value in (
        ("sha512", hashlib.sha512(symbol.encode()).hexdigest()),
        ("symbol", symbol),
        ("element", symbol),
    ):
        node.base.attributes.set(name, value)
    node.set_version()
    return node.store()
