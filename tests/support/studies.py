"""A study's provenance graph, made by hand: two data sets of two families, two models, nothing computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.metrics.aggregate import summarise
from aiida_dismai.engine.metrics.places import choose
from aiida_dismai.engine.metrics.study import Result, tabulate
from support.handmade import CALCULATIONS, WORKFLOWS
from support.handnodes import arrays, finish, measure, process, results, structures

#: Family and main measure by data set.
SETS = {"faces": ("interface", "d_all"), "silicon": ("amorphous", "d_motif")}
MODELS = ("cryingan", "cdvae")
#: Structures that each trained model has generated, and that were analysed.
GENERATED = 5


def study(n_trained: int = 3) -> Any:
    """Return a finished study, each of whose benchmarks has trained some models; `model_1` is the one in the middle."""
    node = process(orm.WorkChainNode, WORKFLOWS + "study", "StudyWorkChain")
    entries, summaries = [], {}
    for dataset in SETS:
        train = StructureSetData(structures(8, 1)).store()
        for model in MODELS:
            run = f"{dataset}_{model}_1"
            summaries[run] = _benchmark(node, run, dataset, train, n_trained, len(entries))
            entries.append(Result(dataset, model, summaries[run].get_dict(), run=run))
    entries.append(Result("faces", "unimat", reason="needs the same atoms in all structures", run="faces_unimat_1"))
    kinds = {name: kind for name, (kind, _) in SETS.items()}
    table = tabulate(entries, kinds, {kind: [main, "failed_percent"] for kind, main in SETS.values()})
    outputs = {f"summaries__{run}": summary for run, summary in summaries.items()}
    finish(node, outputs | {"table": orm.Dict(table).store()})
    return node


def _benchmark(caller: Any, run: str, dataset: str, train: Any, n_trained: int, seed: int) -> Any:
    kind, main = SETS[dataset]
    node = process(
        orm.WorkChainNode, WORKFLOWS + "benchmark", "BenchmarkWorkChain", {"train": train}, caller=caller, call=run
    )
    outputs: dict[str, Any] = {}
    found = {}
    for k in range(n_trained):
        name = f"model_{k}"
        random = np.random.default_rng(100 * seed + k)
        generated = StructureSetData(structures(GENERATED, 10 * seed + k)).store()
        measured = StructureSetData(structures(GENERATED, 500 + 10 * seed + k))
        parameters = orm.Dict({"fmax": 0.05})
        process(
            orm.CalcJobNode,
            CALCULATIONS + "relax",
            "RelaxCalculation",
            {"structures": generated, "parameters": parameters},
            {"structures": measured},
            node,
            f"relax_{k}",
        )
        distances = random.permutation(np.linspace(0.1, 0.5, GENERATED)) + 0.01 * k
        places = choose(distances)
        made = {
            "results": results(
                "metrics",
                kind=kind,
                **{main: measure(0.1 + 0.05 * k + 0.01 * seed, 0.02), "failed_percent": measure(0.0, 0.0)},
                n_generated=GENERATED,
                n_given=GENERATED,
                n_analysed=GENERATED,
                n_reference=8,
            ),
            "per_structure": arrays(
                index=np.arange(GENERATED),
                source_index=np.arange(GENERATED),
                **{main: distances, f"shown_{main}": places, f"shown_training_{main}": np.array([1, 4, 7])},
            ),
        }
        given = {"structures": measured, "reference": train}
        process(orm.CalcJobNode, CALCULATIONS + "metrics", "MetricsCalculation", given, made, node, f"metrics_{k}")
        found[name] = made["results"]
        outputs |= {
            f"metrics__{name}": made["results"],
            f"per_structure__{name}": made["per_structure"],
            f"generated__{name}": generated,
        }
    summary = orm.Dict(summarise([found[name].get_dict() for name in sorted(found)]))
    kind = CALCULATIONS + "functions.aggregate"
    process(orm.CalcFunctionNode, kind, "aggregate_metrics", found, {"result": summary}, node)
    finish(node, outputs | {"summary": summary})
    return summary
