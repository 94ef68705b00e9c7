"""A small pipeline's provenance graph, made by hand: the right links and numbers, nothing computed.

``build`` returns a namespace of nodes. Every process is named as the real one, so that reports, archives and
the command line can be tested without running anything.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from aiida import orm
from aiida.manage import get_manager

from aiida_dismai.data import GeneratorData, PotentialData, StructureSetData
from support.handnodes import (
    arrays,
    code,
    finish,
    metrics,
    per_structure,
    potcar,
    process,
    relaxed,
    results,
    structures,
)
from support.weights import weights

CALCULATIONS = "aiida.calculations:dismai."
WORKFLOWS = "aiida.workflows:dismai."


class _Kept:
    """The storage of a profile as it was when the graph had been built in it, for the modules that follow."""

    def __init__(self, profile: Any, graph: SimpleNamespace) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="handmade")
        self._graph = _mapped(graph, lambda node: node.pk)
        self._swap(profile, lambda storage: shutil.copytree(storage, self._folder.name, dirs_exist_ok=True))

    def restore(self, profile: Any) -> SimpleNamespace:
        """Put the graph into the profile in place of what is there."""
        profile.reset_storage()  # which stops a daemon, too

        def replace(storage: str) -> None:
            shutil.rmtree(storage)
            shutil.copytree(self._folder.name, storage)

        self._swap(profile, replace)
        return self.load()

    def load(self) -> SimpleNamespace:
        """Return the nodes of the graph."""
        return _mapped(self._graph, orm.load_node)

    @staticmethod
    def _swap(profile: Any, change: Any) -> None:
        """Change the folder of the storage while it is closed; AiiDA opens it again when it needs it."""
        get_manager().reset_profile()
        change(profile.storage_config["filepath"])


def _mapped(value: Any, change: Any) -> Any:
    """Return the same lists, dictionaries and namespaces with other leaves."""
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**_mapped(vars(value), change))
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return change(value)


_kept: dict[str, _Kept] = {}


def fresh(profile: Any, folder: Path) -> SimpleNamespace:
    """Empty the (temporary) profile and put the graph into it: built once, from then on copied."""
    from aiida_dismai.cli.setup import make_localhost

    if profile.uuid in _kept:
        graph = _kept[profile.uuid].restore(profile)
        graph.code.computer.set_workdir(str(folder / "jobs"))
        graph.code.computer.store()
        return graph
    profile.reset_storage()
    _kept[profile.uuid] = _Kept(profile, build(make_localhost(str(folder / "jobs"))[0]))
    return _kept[profile.uuid].load()


def build(computer: orm.Computer, vasp: str = "/opt/bin/dismai-vasp-standin", n_models: int = 2) -> SimpleNamespace:
    """Return the nodes of a finished pipeline: two crystals, two VASP jobs, a potential, ``n_models`` models."""
    dismai = code(computer, "dismai", "dismai.relax", "/opt/bin/dismai")
    vasp_code = code(computer, "vasp", "vasp.vasp", vasp)
    crystals = []
    for element in ("Li", "Co"):
        crystal = orm.StructureData(cell=np.diag([4.0, 4.0, 4.0]).tolist())
        crystal.append_atom(symbols=element, position=[0.0, 0.0, 0.0])
        crystals.append(crystal.store())
    pipeline = process(orm.WorkChainNode, WORKFLOWS + "pipeline", "PipelineWorkChain", {"dataset__slab_a": crystals[0]})
    data = _dataset(pipeline, crystals, dismai, vasp_code)
    bench = _benchmark(pipeline, data, dismai, n_models)
    outputs = {f"dataset__{name}": node for name, node in data.outputs.items()}
    outputs |= {f"benchmark__{name}": node for name, node in bench.outputs.items()}
    finish(pipeline, outputs)
    return SimpleNamespace(
        pipeline=pipeline,
        dataset=data.node,
        benchmark=bench.node,
        evaluate=bench.evaluate,
        vasp=data.vasp,
        crystals=crystals,
        outputs=data.outputs | bench.outputs,
        code=dismai,
        vasp_code=vasp_code,
    )


def _dataset(caller: Any, crystals: list[Any], dismai: Any, vasp_code: Any) -> SimpleNamespace:
    node = process(
        orm.WorkChainNode,
        WORKFLOWS + "dataset.interface",
        "InterfaceDatasetWorkChain",
        {"slab_a": crystals[0], "slab_b": crystals[1]},
        caller=caller,
        call="dataset",
    )
    built = StructureSetData(structures(2, 1))
    process(
        orm.CalcJobNode,
        CALCULATIONS + "interfaces.build",
        "BuildInterfacesCalculation",
        {"slab_a": crystals[0], "slab_b": crystals[1], "code": dismai},
        {"structures": built, "results": results("interfaces.build", n_structures=2, packing_failures=1)},
        node,
        "build_training",
    )
    label = process(
        orm.WorkChainNode, WORKFLOWS + "label", "LabelWorkChain", {"structures": built}, caller=node, call="label"
    )
    jobs, steps = [], {}
    for index in range(2):
        taken = orm.StructureData(cell=np.diag([5.0, 6.0, 7.0]).tolist())
        taken.append_atom(symbols="Li", position=[0.1 * index, 0.0, 0.0])
        process(orm.CalcFunctionNode, "", "take_structure", {"structures": built}, {"result": taken}, label)
        trajectory = orm.Dict({"energy": -1.0 - index})
        jobs.append(
            process(
                orm.CalcJobNode,
                "aiida.calculations:vasp.vasp",
                "VaspCalculation",
                {"structure": taken, "code": vasp_code, "potential__Li": _potcar_once("Li_sv")},
                {"misc": trajectory},
                label,
                f"lane_00{index}",
            )
        )
        steps[f"job_{index}"] = trajectory
    labelled = StructureSetData(structures(6, 2, energy=np.arange(6.0), trajectory=np.repeat([0, 1], 3)))
    process(orm.CalcFunctionNode, "", "collect_steps", {"structures": built, **steps}, {"labelled": labelled}, label)
    label_summary = orm.Dict({"structures": 2, "failed": 0, "labelled_structures": 2, "labelled_steps": 6}).store()
    finish(label, {"labelled": labelled, "summary": label_summary})

    n = 30
    potential = weights(PotentialData, "potential", elements=["Li", "O", "Co"])
    found = {
        "potential": potential,
        "results": results(
            "potential.train",
            test_mae_energy=3.21,
            test_mae_forces=45.6,
            test_mae_stress=0.0123,
            epochs=4,
            best_epoch=3,
            stopped="max_epochs",
            n_train=4,
            n_validation=1,
            n_test=1,
            n_trajectories=2,
            n_parameters=1234,
        ),
        "curves": arrays(
            epoch=np.arange(1, n + 1),
            train_mae_energy=40 * np.exp(-np.arange(n) / 8) + 3,
            validation_mae_energy=45 * np.exp(-np.arange(n) / 8) + 5,
            train_mae_forces=400 * np.exp(-np.arange(n) / 8) + 40,
            validation_mae_forces=430 * np.exp(-np.arange(n) / 8) + 60,
        ),
        "parity": _parity(),
    }
    process(
        orm.CalcJobNode,
        CALCULATIONS + "potential.train",
        "TrainPotentialCalculation",
        {"structures": labelled, "code": dismai},
        found,
        node,
        "potential",
    )
    candidates = relaxed(12, 3, -4.8)
    process(
        orm.CalcJobNode,
        CALCULATIONS + "relax",
        "RelaxCalculation",
        {"structures": built, "potential": potential, "code": dismai},
        {"structures": candidates, "results": results("relax", n_structures=12, n_not_converged=1, n_failed=0)},
        node,
        "relax_0",
    )
    chosen = StructureSetData(candidates.structures[:10])
    energies = orm.Dict(
        {
            "window": 0.4,
            "looked_at": 12,
            "converged": 11,
            "low": 10,
            "kept": 10,
            "e_cut": -4.77,
            "lowest": -4.85,
            "interface_energies": np.linspace(-0.4, 0.2, 11).tolist(),
        }
    )
    process(
        orm.CalcFunctionNode,
        "",
        "select_low_energy",
        {"structures": candidates},
        {"structures": chosen, "energies": energies},
        node,
    )
    train, validation = StructureSetData(chosen.structures[:8]), StructureSetData(chosen.structures[8:])
    split = orm.Dict({"seed": 7, "train": list(range(8)), "validation": [8, 9]})
    process(
        orm.CalcFunctionNode,
        "",
        "split_structures",
        {"structures": chosen},
        {"train": train, "validation": validation, "split": split},
        node,
    )
    outputs = {
        "dataset": chosen,
        "train": train,
        "validation": validation,
        "split": split,
        "energies": energies,
        "candidates": candidates,
        "potential": potential,
        "potential_results": found["results"],
        "potential_curves": found["curves"],
        "potential_parity": found["parity"],
        "labelled": labelled,
        "label_summary": label_summary,
    }
    finish(node, outputs)
    return SimpleNamespace(node=node, outputs=outputs, vasp=jobs)


def _potcar_once(symbol: str) -> Any:
    from aiida_vasp.data.potcar import PotcarData

    found = orm.QueryBuilder().append(PotcarData, filters={"attributes.symbol": symbol}).first(flat=True)
    return found or potcar(symbol)


def _parity() -> orm.ArrayData:
    random = np.random.default_rng(4)
    energy, forces, stress = random.normal(-4.8, 0.1, 6), random.normal(0, 1, (36, 3)), random.normal(0, 2, (6, 3, 3))
    return arrays(
        offsets=np.arange(7) * 6,
        energy_reference=energy,
        energy_predicted=energy + random.normal(0, 0.01, 6),
        forces_reference=forces,
        forces_predicted=forces + random.normal(0, 0.1, (36, 3)),
        stress_reference=stress,
        stress_predicted=stress + random.normal(0, 0.1, (6, 3, 3)),
        split=np.array([0, 0, 0, 0, 1, 2], dtype=np.uint8),
        sets=np.array(["train", "validation", "test"]),
    )


def _benchmark(caller: Any, data: SimpleNamespace, dismai: Any, n_models: int) -> SimpleNamespace:
    train, validation = data.outputs["train"], data.outputs["validation"]
    node = process(
        orm.WorkChainNode,
        WORKFLOWS + "benchmark",
        "BenchmarkWorkChain",
        {"train": train, "validation": validation, "potential": data.outputs["potential"]},
        caller=caller,
        call="benchmark",
    )
    outputs: dict[str, Any] = {}
    evaluate = None
    for index in range(n_models):
        name = f"model_{index}"
        generator = weights(GeneratorData, name, model="cryingan", elements=["Li", "O", "Co"])
        epochs = np.arange(1, 101)
        made = {
            "generator": generator,
            "results": results("generator.train", model="cryingan", epochs=100, seed=index),
            "curves": arrays(
                epoch=epochs,
                generator_loss=np.sin(epochs / 9) + index,
                critic_coordinates_loss=-np.exp(-epochs / 30),
                critic_coordinates_wasserstein=np.exp(-epochs / 40),
            ),
        }
        process(
            orm.CalcJobNode,
            CALCULATIONS + "generator.train",
            "TrainGeneratorCalculation",
            {"structures": train, "code": dismai},
            made,
            node,
            f"train_{name}",
        )
        generated = StructureSetData(structures(5, 10 + index))
        process(
            orm.CalcJobNode,
            CALCULATIONS + "generator.sample",
            "SampleGeneratorCalculation",
            {"generator": generator, "code": dismai},
            {"structures": generated, "results": results("generator.sample", n_requested=6, n_nonfinite=1)},
            node,
            f"sample_{name}",
        )
        evaluate, evaluated = _evaluate(node, name, index, generated, data, dismai)
        outputs |= {
            f"generators__{name}": generator,
            f"curves__{name}": made["curves"],
            f"training__{name}": made["results"],
            f"generated__{name}": generated,
            **evaluated,
        }
    each = {f"model_{index}": outputs[f"metrics__model_{index}"] for index in range(n_models)}
    from aiida_dismai.calculations.functions.statistics import aggregate_metrics

    outputs["summary"] = aggregate_metrics(**each)
    finish(node, outputs)
    return SimpleNamespace(node=node, outputs=outputs, evaluate=evaluate)


def _evaluate(
    caller: Any, name: str, index: int, generated: Any, data: SimpleNamespace, dismai: Any
) -> tuple[Any, dict[str, Any]]:
    node = process(
        orm.WorkChainNode,
        WORKFLOWS + "evaluate",
        "EvaluateWorkChain",
        {"structures": generated, "reference": data.outputs["train"], "validation": data.outputs["validation"]},
        caller=caller,
        call=f"evaluate_{name}",
    )
    after = relaxed(5, 20 + index, -4.75)
    process(
        orm.CalcJobNode,
        CALCULATIONS + "relax",
        "RelaxCalculation",
        {"structures": generated, "potential": data.outputs["potential"], "code": dismai},
        {"structures": after, "results": results("relax", n_structures=5, n_not_converged=1, n_failed=0)},
        node,
        "relax",
    )
    measured, each = metrics(0.05 + 0.02 * index, 20.0, 5), per_structure(4, index)
    process(
        orm.CalcJobNode,
        CALCULATIONS + "metrics",
        "MetricsCalculation",
        {
            "structures": after,
            "reference": data.outputs["train"],
            "validation": data.outputs["validation"],
            "code": dismai,
        },
        {"results": measured, "per_structure": each},
        node,
        "metrics",
    )
    finish(node, {"metrics": measured, "relaxed": after, "per_structure": each})
    return node, {f"metrics__{name}": measured, f"relaxed__{name}": after, f"per_structure__{name}": each}
