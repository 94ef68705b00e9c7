"""Dismai-Bench for a night: every model on every small data set with two seeds, in pieces, and the table of all.

    python benchmarks/small.py run                                # what is missing, the cheapest first
    python benchmarks/small.py run --dataset alloy_300K_wide --model cdvae --seed 1
    python benchmarks/small.py table                              # docs/small_benchmark.md from docs/small_benchmark/
    python benchmarks/small.py list                               # what is there and what is not

Each benchmark is a `dismai.study` of one model on one data set with one seed (protocol `small`), in a profile below
`--folder`. What has finished is one JSON file in `--results`, which needs the profile no more: a later sitting,
also on another machine, runs the rest. Killed in the middle of a benchmark, the jobs that it had finished are found in
the profile's cache.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "docs" / "small_benchmark", ROOT / "docs" / "small_benchmark.md"
FORMAT, VERSION = "dismai-small-benchmark", 1
PROFILE = "dismai-small"
SEEDS = (1, 2)
#: From the cheapest to the most expensive, all parts of a benchmark together.
MODELS = ("random", "resample", "cryingan", "unimat", "crystens", "cdvae", "diffcsp")
DATASETS = (
    "alloy_300K_wide",
    "alloy_1500K_wide",
    "alloy_300K_narrow",
    "alloy_1500K_narrow",
    "amorphous",
    "interface",
)
BASELINES = ("random", "resample")


@dataclass(frozen=True)
class Cell:
    """One model on one data set with one seed."""

    dataset: str
    model: str
    seed: int

    @property
    def key(self) -> str:
        """The name of the benchmark in its study, and of its file."""
        return f"{self.dataset}_{self.model}_{self.seed}"


def cells(datasets: tuple[str, ...] = (), models: tuple[str, ...] = (), seeds: tuple[int, ...] = ()) -> Iterator[Cell]:
    """Yield the benchmarks that are asked for, the cheapest first: one seed of all before the next."""
    for seed in seeds or SEEDS:
        for model in models or MODELS:
            for dataset in datasets or DATASETS:
                yield Cell(dataset, model, seed)


def finished(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results in a folder by key."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        if content.get("format") == FORMAT:
            found[path.stem] = content
    return found


# ------------------------------------------------------------------ running
def use_profile(folder: Path) -> Any:
    """Load the profile below the folder, made now if it is not there, and return its `dismai` code."""
    from aiida_dismai.demo.profile import executable, use_own_configuration

    folder.mkdir(parents=True, exist_ok=True)
    use_own_configuration(folder)
    from aiida import load_profile
    from aiida.manage.configuration import get_config

    if PROFILE not in get_config(create=True).profile_names:
        subprocess.run([executable("verdi"), "presto", "--non-interactive", "--profile-name", PROFILE], check=True)
        from aiida.manage.configuration import reset_config

        reset_config()
    load_profile(PROFILE)
    from aiida.orm import load_computer

    from aiida_dismai.cli.setup import make_code

    config = get_config()
    config.set_option("caching.enabled_for", ["aiida.calculations:dismai.*"], scope=PROFILE)
    config.store()
    computer = load_computer("localhost")
    computer.set_minimum_job_poll_interval(1.0)
    computer.configure(safe_interval=0.0, use_login_shell=False)
    return make_code("localhost", str(executable("dismai")), "dismai", "dismai.relax", "export OMP_NUM_THREADS=1")[0]


def run_cell(cell: Cell, code: Any) -> dict[str, Any]:
    """Run a benchmark and return what its file holds."""
    from aiida.engine import run_get_node

    from aiida_dismai.cli.small import small_nodes
    from aiida_dismai.engine.small.catalogue import find, manifest
    from aiida_dismai.engine.versions import versions
    from aiida_dismai.workchains.study import StudyWorkChain

    chosen = find(cell.dataset)
    parts: dict[str, Any] = {**small_nodes(chosen), "kind": chosen.kind}
    if chosen.metrics:
        parts["overrides"] = {"evaluate": {"metrics": {"parameters": dict(chosen.metrics)}}}
    builder = StudyWorkChain.get_builder_from_protocol(
        code,
        datasets={cell.dataset: parts},
        models={cell.model: {}},
        seeds=[cell.seed],
        protocol="small",
        overrides={"baselines": False},
    )
    _, node = run_get_node(builder)
    noted = manifest()[chosen.name]
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "dataset": cell.dataset,
        "kind": chosen.kind,
        "model": cell.model,
        "seed": cell.seed,
        "baseline": cell.model in BASELINES,
        "content_hash": {part: noted[part]["content_hash"] for part in ("train", "validation")},
        "protocol": "small",
        "summary": None,
        "reason": "",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
    }
    if "summaries" in node.outputs and cell.key in node.outputs.summaries:
        content["summary"] = node.outputs.summaries[cell.key].get_dict()
    else:
        content["reason"] = f"{node.exit_status}: {node.exit_message}"
    content |= of_benchmark(node, cell)
    return content


def of_benchmark(study: Any, cell: Cell) -> dict[str, Any]:
    """Return hyper-parameters, times and counts of the benchmark that a study has run."""
    benchmark = next((call for lane in study.called for call in lane.called if call.label == cell.key), None)
    if benchmark is None:
        return {}
    found: dict[str, Any] = {
        "hyperparameters": benchmark.inputs.generator.parameters.get_dict().get("hyperparameters", {}),
        "uuid": benchmark.uuid,
    }
    training = benchmark.outputs.training if "training" in benchmark.outputs else {}
    for name in training:
        results = training[name].get_dict()
        found["training"] = {
            key: results[key] for key in ("epochs", "steps", "parameters", "timings", "device") if key in results
        }
    metrics = benchmark.outputs.metrics if "metrics" in benchmark.outputs else {}
    for name in metrics:
        results = metrics[name].get_dict()
        found["structures"] = {key: results[key] for key in ("n_generated", "n_analysed") if key in results}
    return found


def machine() -> dict[str, Any]:
    """Return what kind of machine this is; nothing that names it."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {"processor": processor, "cores": os.cpu_count(), "system": platform.system()}


# ------------------------------------------------------------------ the command
@click.group()
def main() -> None:
    """Run the small benchmark in pieces, and make its page."""


asked = (
    click.option("--dataset", "datasets", multiple=True, type=click.Choice(DATASETS)),
    click.option("--model", "models", multiple=True, help="Registered models; default: all of the project."),
    click.option("--seed", "seeds", multiple=True, type=click.IntRange(min=0)),
)


def with_cells(function: Any) -> Any:
    for option in reversed(asked):
        function = option(function)
    return function


@main.command()
@with_cells
@click.option("--folder", type=click.Path(path_type=Path), default=Path("small_benchmark"), help="Of the profile.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Of the JSON files.")
@click.option("--at-most", type=click.IntRange(min=1), help="Number of benchmarks, after which it stops.")
def run(
    datasets: tuple[str, ...],
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    folder: Path,
    results: Path,
    at_most: int | None,
) -> None:
    """Run the benchmarks that have no file yet, one after the other."""
    from aiida_dismai.engine.small.catalogue import available

    if unknown := [name for name in models if name not in MODELS]:
        raise click.UsageError(f"--model {unknown[0]}: give one of {', '.join(MODELS)}")
    results.mkdir(parents=True, exist_ok=True)
    there = available()
    done = finished(results)
    missing = [cell for cell in cells(datasets, models, seeds) if cell.key not in done and cell.dataset in there]
    print(f"{len(missing)} benchmarks are missing", flush=True)
    code = use_profile(folder) if missing else None
    for cell in missing[:at_most]:
        print(f"{datetime.datetime.now():%H:%M:%S} {cell.key}", flush=True)
        content = run_cell(cell, code)
        target = results / f"{cell.key}.json"
        target.with_suffix(".new").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        target.with_suffix(".new").replace(target)
        print(f"{datetime.datetime.now():%H:%M:%S} {cell.key}: {content['reason'] or 'done'}", flush=True)


@main.command("list")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Of the JSON files.")
def list_cells(results: Path) -> None:
    """Print which benchmarks have been run."""
    done = finished(results)
    for cell in cells():
        print(f"{cell.key:40s} {done[cell.key]['date'] if cell.key in done else 'not yet run'}")


@main.command()
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Of the JSON files.")
@click.option("--page", "target", type=click.Path(path_type=Path), default=PAGE, help="What is written.")
def table(results: Path, target: Path) -> None:
    """Write the page from the JSON files and `notes.md` beside them."""
    from small_page import page

    notes = results / "notes.md"
    target.write_text(page(finished(results), notes.read_text() if notes.is_file() else ""))
    print(target)


if __name__ == "__main__":
    sys.exit(main())
