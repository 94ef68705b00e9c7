"""Benchmarks with true metrics: computed by the engine, put into a graph by hand, for the leaderboard."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiida import orm

from aiida_dismai.calculations.functions.result import nodes_of, reference_of, write_result
from aiida_dismai.cli.engine_metrics import run_metrics
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.small.catalogue import find
from aiida_dismai.engine.structures import read_npz, write_npz
from support.handmade import CALCULATIONS, WORKFLOWS
from support.handnodes import finish, measure, process, results, structures

SET = "alloy_300K_wide"
#: Of `result.json`, as it is published.
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "result.schema.json").read_text())


def measured(folder: Path, seeds: tuple[int, ...] = (0, 1), rattle: float = 0.05) -> list[SimpleNamespace]:
    """Compute the metrics of validation structures that were rattled a little, a file for each seed.

    Returns:
        For each its ``structures``, ``metrics``, ``parameters`` and the path of its ``reference``.
    """
    import numpy as np

    small = find(SET)
    found = []
    for seed in seeds:
        place = folder / f"model_{seed}"
        place.mkdir(parents=True)
        random = np.random.default_rng(seed)
        validation = small.load("validation")
        validation = validation[random.permutation(len(validation))[:8]]
        moved = random.normal(0.0, rattle, validation.positions.shape)
        structures = validation.with_positions(validation.positions + moved).without_properties()
        write_npz(structures, place / "generated.npz")
        options = ["--generated-total", "10", "--write-reference", "reference.npz"]
        metrics = run_metrics("alloy", place / "generated.npz", small.path("train"), place, options)
        found.append(
            SimpleNamespace(
                structures=read_npz(place / "generated.npz"),
                metrics=metrics,
                reference=place / "reference.npz",
                parameters={"kind": "alloy", "generated_total": 10, "alloy": dict(small.metrics.get("alloy", {}))},
            )
        )
    return found


def computed(train: Any, seed: int = 0, caller: Any = None, **changes: Any) -> SimpleNamespace:
    """Return a model of an alloy as its jobs leave it, with made-up numbers.

    Returns:
        The nodes `metrics`, `training`, `structures` and `reference`.
    """
    values = {
        "kind": "alloy",
        "d_cluster": measure(0.1 + 0.01 * seed, 0.02),
        "failed_percent": measure(20.0, 0.0),
        "noise_floor": {"metrics": {}},
        "reference_hash": "a" * 64,
        "n_reference": len(train),
        "n_generated": 5,
        "n_given": 4,
        "n_analysed": 4,
    }
    given = {
        "structures": StructureSetData(structures(4, 10 + seed)),
        "reference": train,
        "parameters": orm.Dict({"kind": "alloy", "generated_total": 5}),
    }
    made = {
        "results": results("metrics", **(values | changes)),
        "reference": orm.SinglefileData(io.BytesIO(b"records of the training set"), filename="reference.npz"),
    }
    process(orm.CalcJobNode, CALCULATIONS + "metrics", "MetricsCalculation", given, made, caller, "metrics")
    training = results("generator.train", model="cryingan", seed=seed, versions={"torch": "2.8.0"})
    return SimpleNamespace(
        metrics=made["results"],
        reference=made["reference"],
        structures=given["structures"],
        training=training.store(),
    )


def with_result(flow: Any, train: Any, metrics: dict[str, Any], training: dict[str, Any], **about: Any) -> Any:
    """Return the result file of a benchmark, with the calcfunction that it called."""
    parts = {
        f"{name}_{role}": node for name in metrics for role, node in nodes_of(metrics[name], training[name]).items()
    }
    said = {"date": "2026-01-01", "origin": {"uuid": flow.uuid, "type": flow.process_label}} | about
    given = {"about": orm.Dict(said).store(), "reference": reference_of(metrics[min(metrics)].creator), "train": train}
    content = write_result(**given, **parts).get_content(mode="rb")
    made = orm.SinglefileData(io.BytesIO(content), filename="result.json")
    kind = CALCULATIONS + "functions.result"
    process(orm.CalcFunctionNode, kind, "write_result", given | parts, {"result": made}, flow, "result")
    return made


def benchmark(
    models: list[SimpleNamespace], name: str = "cryingan", train: Any = None, about: dict[str, Any] | None = None
) -> Any:
    """Return a finished benchmark with these metrics, stored; with `about`, one that has written its result file."""
    train = train if train is not None else StructureSetData(find(SET).load("train")).store()
    flow = process(orm.WorkChainNode, WORKFLOWS + "benchmark", "BenchmarkWorkChain", {"train": train})
    outputs: dict[str, Any] = {}
    for number, model in enumerate(models):
        given = {
            "structures": StructureSetData(model.structures),
            "reference": train,
            "parameters": orm.Dict(model.parameters),
        }
        made = {"results": orm.Dict(model.metrics), "reference": orm.SinglefileData(str(model.reference))}
        process(orm.CalcJobNode, CALCULATIONS + "metrics", "MetricsCalculation", given, made, flow, f"metrics_{number}")
        training = {"results": results("generator.train", model=name, seed=number)}
        kind, label = CALCULATIONS + "generator.train", f"train_{number}"
        learnt = {"structures": train}
        process(orm.CalcJobNode, kind, "TrainGeneratorCalculation", learnt, training, flow, label)
        outputs |= {f"metrics__model_{number}": made["results"], f"training__model_{number}": training["results"]}
    if about is not None:
        by_name = {
            group: {label.partition("__")[2]: node for label, node in outputs.items() if label.startswith(f"{group}__")}
            for group in ("metrics", "training")
        }
        outputs["result"] = with_result(flow, train, **by_name, **about)
    finish(flow, outputs)
    return flow
