"""The verdict at the top of a report, in two sentences of plain words.

The first says how far what was made is from the data, in noise floors: the distance that a second sample of the
training set of the same size has from it. The second says what failed, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine.text import visible
from .cautions import TOO_FEW
from .comparison import NAMES
from .content import Report
from .family import DISTANCES, FamilyReport, find_report
from .model import Model
from .numbers import number

#: Up to so many noise floors a distance is called small, and above so many large.
NEAR, FAR = 3.0, 10.0
#: Characters of a reason at most.
REASON = 160


def verdict(report: Report) -> list[str]:
    """Return the sentences; at least one, of a process of which nothing is known that it has nothing to show yet."""
    found: list[str] = []
    if report.study:
        found.append(_of_study(report.study))
    elif report.models:
        found += [_of_models(report), _of_failures(report.models)]
    elif report.comparison:
        found.append(_of_comparison(report.comparison))
    elif report.datasets:
        found.append(_of_datasets(report))
    if not report.models and report.potential.get("test_mae_forces") is not None:
        found.append(_of_potential(report.potential))
    if (ended := _of_process(report)) is not None:
        found = [*found[:1], ended]
    elif report.study:
        found.append(_of_missing(report.study))
    return found[:2] or ["There is nothing to show yet."]


def in_floors(value: float | None, floor: float | None, upper: float | None = None) -> str | None:
    """Return a distance in noise floors and what that means; None where it is not known.

    Args:
        value: the distance.
        floor: the noise floor, of the same number of structures.
        upper: upper end of the interval of the noise floor.

    Example:
        >>> in_floors(0.05, 0.02, 0.024)
        '2.5 noise floors from the training data: near it, but not like a second sample of it'
    """
    if value is None or floor is None or not floor > 0:
        return None
    times = value / floor
    many = f"{times:.2g}" if times < 10 else f"{times:.0f}"
    plural = "" if many == "1" else "s"
    if value <= (floor if upper is None else upper):
        return f"as close to the training data as a second sample of it ({many} noise floor{plural})"
    if times < NEAR:
        means = "near it, but not like a second sample of it"
    elif times < FAR:
        means = "clearly different from it"
    else:
        means = "far from it"
    return f"{many} noise floor{plural} from the training data: {means}"


# ---------------------------------------------------------------------- models
def _of_models(report: Report) -> str:
    family = report.family
    main = family.main if family else None
    entry = (report.summary.get("metrics") or {}).get(main) or {}
    if family is None or main is None or not entry:
        return "There are measures, but of a family that is not installed here, so that no distance stands for it."
    who = _who(report.models, family)
    if entry.get("mean") is None:
        return f"{who} cannot be compared with the training data: none of them could be measured."
    label = family.metric(main).label or main
    beside = f"{label} {number(entry['mean'], 3)}"
    if entry.get("models", 1) > 1:
        beside += f", {number(entry['min'], 3)} to {number(entry['max'], 3)} over {entry['models']} models"
    n = report.n_training
    far = in_floors(entry["mean"], entry.get("floor"), entry.get("floor_upper"))
    if n is not None and n < TOO_FEW:
        plural = "s" if n != 1 else ""
        return f"How far {_lower(who)} are from the training data cannot be said with {n} training structure{plural}."
    if far is None:
        return f"{who} are at a distance without a noise floor to compare it with ({beside})."
    return f"{who} are {far} ({beside}){_shares(family, report.summary)}."


def _who(models: Sequence[Model], family: FamilyReport) -> str:
    kinds = sorted({visible(model.training.get("model"), 40) for model in models if model.training.get("model")})
    what = "The generated structures" if family.problem and not family.spec.metrics else _the(family.spec.label)
    return f"{what} of {' and '.join(kinds)}" if kinds else what


def _the(label: str) -> str:
    return f"The generated {label}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shares(family: FamilyReport, summary: Mapping[str, Any]) -> str:
    """Return the shares of the family beside those of the training set, such as structures with a vacancy."""
    found = []
    for metric in family.spec.metrics[1:]:
        entry = summary["metrics"].get(metric.name) or {}
        if metric.name.startswith(DISTANCES) or entry.get("mean") is None:
            continue
        unit = f" {metric.unit}" if metric.unit else ""
        said = f"{number(entry['mean'], 3)}{unit} {metric.label}"
        if entry.get("floor") is not None:
            said += f" (training data {number(entry['floor'], 3)}{unit})"
        found.append(said)
    return f"; {', '.join(found)}" if found else ""


def _of_failures(models: Sequence[Model]) -> str:
    """Return how many of the generated structures failed, where, and for what reason most often."""
    total = sum(_count(model, "n_generated") for model in models)
    failed = total - sum(_count(model, "n_analysed") for model in models)
    if not total:
        return "Nothing was generated."
    if not failed:
        return f"None of the {total} generated structures failed."
    converged = sum(_count(model, "n_not_converged") for model in models)
    analysed = sum(_count(model, "n_not_analysed") for model in models)
    unread = sum(len(model.unread) for model in models)
    before = max(failed - unread - converged - analysed, 0)
    parts = [
        f"{count} {what}"
        for count, what in (
            (unread, "could not be read"),
            (before, "before the relaxation (not a structure, or atoms that could not be pushed apart)"),
            (converged, "in the relaxation (not down to the force tolerance)"),
            (analysed, f"in the analysis{_most_often(models)}"),
        )
        if count
    ]
    return f"{failed} of {total} generated structures failed ({number(100 * failed / total, 3)} %): {', '.join(parts)}."


def _count(model: Model, name: str) -> int:
    value = model.metrics.get(name)
    return int(value) if isinstance(value, (int, float)) else 0


def _most_often(models: Sequence[Model]) -> str:
    reasons = Counter(str(item["reason"]) for item in _not_analysed(models))
    if not reasons:
        return ""
    reason, _ = reasons.most_common(1)[0]
    often = ", most often" if len(reasons) > 1 else ""
    return f" ({often.removeprefix(', ')}{': ' if often else ''}{visible(reason, REASON)})"


def _not_analysed(models: Sequence[Model]) -> Iterable[Mapping[str, Any]]:
    for model in models:
        listed = model.metrics.get("not_analysed")
        yield from (item for item in listed if isinstance(item, dict) and "reason" in item) if listed else ()


# ---------------------------------------------------------------------- other processes
def _of_study(study: Mapping[str, Any]) -> str:
    overall = study.get("overall")
    closest = [said for name, entry in study["datasets"].items() if (said := _closest(name, entry)) is not None]
    if not overall:
        return f"{'; '.join(closest)}." if closest else "No model of the study could be measured."
    first = min(overall["rank"].values())
    best = " and ".join(visible(name, 60) for name in sorted(overall["rank"]) if overall["rank"][name] == first)
    n = len(overall["ranks"])
    said = f"{best} ranks first over {n} data set{'s' if n != 1 else ''}"
    return f"{said}; closest to the data: {'; '.join(closest)}." if closest else f"{said}."


def _closest(name: str, entry: Mapping[str, Any]) -> str | None:
    """Return which model is closest to a data set in the main measure of its family, and at how many noise floors."""
    main = find_report(entry["family"]).main
    rows = [row for row in entry["rows"] if not row["baseline"]]
    known = [(row["metrics"].get(main) or {}, row["name"]) for row in rows]
    known = [(measure, model) for measure, model in known if measure.get("mean") is not None]
    if not known:
        return None
    measure, model = min(known, key=lambda item: (item[0]["mean"], item[1]))
    floor = measure.get("floor")
    times = f" at {measure['mean'] / floor:.2g} noise floors" if floor else ""
    return f"{visible(model, 60)}{times} ({visible(name, 60)})"


def _of_missing(study: Mapping[str, Any]) -> str:
    missing = [(name, row) for name, entry in study["datasets"].items() for row in entry["rows"] if row["reason"]]
    if not missing:
        return "Every model of the study was measured on every data set that it was to be run on."
    first = "; ".join(
        f"{visible(row['name'], 60)} on {visible(name, 60)}: {visible(row['reason'], REASON)}"
        for name, row in missing[:2]
    )
    more = f"; and {len(missing) - 2} more" if len(missing) > 2 else ""
    return f"{len(missing)} benchmark{'s' if len(missing) != 1 else ''} gave nothing: {first}{more}."


def _of_comparison(results: Mapping[str, Any]) -> str:
    sets = results["sets"]
    name = "structures" if "structures" in sets else next(iter(sets))
    parts = []
    for cation, far in (sets[name].get("distance") or {}).items():
        floor, value = far.get("floor"), far.get("value")
        if value is not None:
            times = f"{value / floor:.2g} noise floors" if floor else f"a distance of {number(value, 3)}"
            parts.append(f"{visible(cation, 20)} {times}")
    if not parts:
        return "The sets could not be compared: nothing in them could be analysed."
    return f"Surroundings of the cations, {NAMES.get(name, name)} from the training set: {', '.join(parts)}."


def _of_datasets(report: Report) -> str:
    known = [part for part in report.datasets if part.n_structures is not None]
    if not known:
        return "There is no data set yet."
    return f"{'; '.join(f'{part.title}: {part.n_structures} structures' for part in known).capitalize()}."


def _of_potential(potential: Mapping[str, Any]) -> str:
    return (
        f"On its test set the potential is off by {potential['test_mae_forces']:.1f} meV/Å in forces and "
        f"{potential['test_mae_energy']:.2f} meV/atom in energies, on average."
    )


def _of_process(report: Report) -> str | None:
    """Return that the process has not (or not well) come to its end; None if it has."""
    process = report.process
    state, status = process["state"], process["exit_status"]
    failures = report.tree.failures
    why = visible(process["exit_message"] or "", REASON)
    if state == "excepted":
        return f"The process raised an exception: {why.rstrip('.')}."
    if state != "finished":
        return f"The process is {state}: what is here is what there is so far."
    if not status:
        return None
    where = f" in the stage {visible(failures[0]['stage'], 80)}" if failures else ""
    return f"The process failed{where} [{status}]: {why.rstrip('.') or 'no reason given'}."
