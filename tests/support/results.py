"""Benchmarks with true metrics: computed by the engine, put into a graph by hand, for the leaderboard."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiida import orm

from aiida_dismai.cli.engine_metrics import run_metrics
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.small.catalogue import find
from aiida_dismai.engine.structures import read_npz, write_npz
from support.handmade import CALCULATIONS, WORKFLOWS
from support.handnodes import finish, process, results

SET = "alloy_300K_wide"


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


def benchmark(models: list[SimpleNamespace], name: str = "cryingan", train: Any = None) -> Any:
    """Return a finished benchmark with these metrics, stored."""
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
    finish(flow, outputs)
    return flow
