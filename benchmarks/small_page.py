"""The page of the small benchmark, from the files of its results; see `small.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from small import BASELINES, DATASETS, MODELS, SEEDS, Cell, cells

from aiida_dismai.engine.families.contract import COMMON
from aiida_dismai.engine.families.registry import find as family
from aiida_dismai.engine.metrics.study import Result, tabulate
from aiida_dismai.engine.small.catalogue import SETS, manifest

Files = Mapping[str, Mapping[str, Any]]
COMMAND = "python benchmarks/small.py"
RANKS = (
    "How ranks are formed: [studies](howto/studies.md#how-ranks-are-formed). Models whose intervals overlap in a "
    "measure share its rank; a model that was not run on a data set is behind all that were. Baselines are not ranked."
)


def tabulated(found: Files, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return the project's table of a study from the files; results of other data count as not run.

    Args:
        found: contents of the files by key.
        hashes: content hash of the training set that ships, by data set.
    """
    results = []
    for cell in cells():
        content = found.get(cell.key)
        summary, reason = None, "not yet run"
        if content is not None and content["content_hash"]["train"] != hashes.get(cell.dataset):
            reason = "run on other data"
        elif content is not None:
            summary, reason = content["summary"], content["reason"]
        baseline = cell.model in BASELINES
        results.append(Result(cell.dataset, cell.model, summary, reason, None, baseline, cell.key))
    families = {name: SETS[name].kind for name in DATASETS}
    return tabulate(results, families, {kind: family(kind).ranked for kind in set(families.values())})


def page(found: Files, notes: str) -> str:
    """Return the page."""
    hashes = {name: entry["train"]["content_hash"] for name, entry in manifest().items()}
    table = tabulated(found, hashes)
    lines = [
        "# The small benchmark",
        "",
        f"<!-- made by `{COMMAND} table` from docs/small_benchmark; edit notes.md there -->",
        "",
        "Every model on every [small data set](howto/small.md) with two seeds: protocol `small`, one trained model for "
        f"each seed, 64 structures of each. `{COMMAND} run` runs what is missing, `{COMMAND} table` writes this page.",
        "",
        progress(found),
        "",
        *overall(table),
    ]
    for name in DATASETS:
        part = table["datasets"][name]
        made = f"training set `{hashes[name][:16]}`" if name in hashes else "not made yet"
        lines += [f"## {name}", "", f"{SETS[name].summary}; {made}.", ""]
        lines += rows_of(part, found, name)
    return "\n".join([*lines, notes.strip(), ""]) if notes else "\n".join(lines)


def progress(found: Files) -> str:
    """Say how many benchmarks there are, from when, on which machines, with which versions."""
    keys = [cell.key for cell in cells()]
    done = [found[key] for key in keys if key in found]
    said = f"{len(done)} of {len(keys)} benchmarks have been run"
    if not done:
        return said + "."
    dates = sorted({content["date"] for content in done})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    machines = sorted({f"{one['machine']['processor']}, {one['machine']['cores']} cores" for one in done})
    programs = sorted({f"aiida-dismai {one['versions']['aiida-dismai']}" for one in done})
    return f"{said}, {when}, on {'; '.join(machines)}, with {', '.join(programs)}."


def overall(table: Mapping[str, Any]) -> list[str]:
    """Return the ranks over all data sets: a row for each model."""
    ranks = (table["overall"] or {}).get("rank", {})
    lines = ["## Ranks", "", "| model | overall | " + " | ".join(DATASETS) + " |", "|" + "---|" * (len(DATASETS) + 2)]
    models = [model for model in MODELS if model not in BASELINES]
    for model in sorted(models, key=lambda item: (ranks.get(item, len(models)), models.index(item))):
        words = [str(ranks.get(model, "–"))]
        for name in DATASETS:
            of_set = (table["datasets"][name]["ranks"] or {}).get("rank", {})
            words.append(str(of_set.get(model) or _row(table, name, model)["reason"] or "–"))
        lines.append(f"| {model} | " + " | ".join(words) + " |")
    return [*lines, "", RANKS, ""]


def _row(table: Mapping[str, Any], dataset: str, model: str) -> Mapping[str, Any]:
    rows: list[Mapping[str, Any]] = table["datasets"][dataset]["rows"]
    return next(row for row in rows if row["name"] == model)


def rows_of(part: Mapping[str, Any], found: Files, dataset: str) -> list[str]:
    """Return the table of a data set."""
    spec = family(part["family"])
    known = {metric.name: metric.title for metric in (*spec.metrics, *COMMON)}
    titles = [known.get(name, name) for name in spec.ranked]
    lines = ["| model | " + " | ".join(titles) + " | training, min | models |", "|" + "---|" * (len(titles) + 3)]
    for row in part["rows"]:
        values = [said(row["metrics"].get(name)) for name in spec.ranked]
        if not row["metrics"]:
            values = [row["reason"] or "–", *[""] * (len(titles) - 1)]
        time = " / ".join(f"{seconds / 60:.1f}" for seconds in trained(found, dataset, row["model"]))
        lines.append(f"| {row['name']} | " + " | ".join(values) + f" | {time} | {row['n_models']} |")
    measured = next((row["metrics"] for row in part["rows"] if row["metrics"]), None)
    if measured is not None:
        floors = [short((measured.get(name) or {}).get("floor")) for name in spec.ranked]
        lines.append("| noise floor | " + " | ".join(floors) + " | | |")
    return [*lines, ""]


def trained(found: Files, dataset: str, model: str) -> list[float]:
    """Return the seconds of the trainings of a model that learns."""
    keys = [Cell(dataset, model, seed).key for seed in SEEDS if model not in BASELINES]
    timings = [(found[key].get("training") or {}).get("timings", {}) for key in keys if key in found]
    return [float(part["train"]) for part in timings if "train" in part]


def said(entry: Mapping[str, Any] | None) -> str:
    """Return mean and interval."""
    if entry is None or entry["mean"] is None:
        return "–"
    return f"{short(entry['mean'])} ({short(entry['lower'])}, {short(entry['upper'])})"


def short(value: float | None) -> str:
    """Return three digits."""
    return "–" if value is None else f"{value:.3g}"
