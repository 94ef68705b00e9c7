"""Make the pictures of ``docs/metrics.md`` from the reference data, and print the numbers that the page quotes.

    OMP_NUM_THREADS=1 python docs/make_metric_pictures.py [--only NAME …]

Needs the development install (matplotlib comes with pymatgen). Takes about a minute on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import matplotlib
import numpy as np
from metric_studies import (
    FILES,
    PAPER,
    Sample,
    changed,
    compare,
    family,
    first,
    floor_at,
    floors,
    noise_response,
    random_alloys,
    reference_sample,
    reference_structures,
    responses,
    shuffle,
    single_distances,
    values,
    without,
)

from aiida_dismai.engine.families.distances import Metric
from aiida_dismai.engine.metrics.bootstrap import Draws
from aiida_dismai.engine.metrics.motifs import MotifTable
from aiida_dismai.engine.metrics.statistics import average, weighted

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FOLDER = Path(__file__).parent / "pictures"
TRAINING, GENERATED, OTHER = "#4c566a", "#c8553d", "#3d7ac8"
AXIS_NAMES = {"interface": "interface", "amorphous": "amorphous Si", "alloy": "alloy"}
#: Amplitudes of noise per family, Å: alloys forgive more.
AMPLITUDES = {
    "interface": np.array([0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2]),
    "amorphous": np.array([0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2]),
    "alloy": np.array([0.05, 0.1, 0.15, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.33, 0.36, 0.4]),
}


def save(figure: Any, name: str) -> None:
    """Write a picture and close it."""
    figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def distances(kind: str) -> list[str]:
    """Return the names of a family's Euclidean distances."""
    return [name for name, metric in family(kind).metrics().items() if metric.power == 1]


# ---------------------------------------------------------------------- pictures
def distributions() -> None:
    """Radial distribution and bond angles, training beside generated, with the band of the interval."""
    training, generated = reference_sample("amorphous", 0), reference_sample("amorphous", 1)
    target = average(training.records, training.vectors)
    own = average(generated.records, training.vectors)
    resampled = weighted(generated.records, training.vectors, Draws(len(generated.records), 1000, 7))
    labels = family("amorphous").labels()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    found = compare(generated, training)
    for axis, name, unit in ((axes[0], "rdf", "r (Å)"), (axes[1], "angle", "bond angle (°)")):
        x = np.array([float(label) for label in labels[name]])
        low, high = np.percentile(resampled[name], [2.5, 97.5], axis=0)
        axis.fill_between(x, 2 * own[name] - high, 2 * own[name] - low, color=GENERATED, alpha=0.25, lw=0)
        axis.plot(x, target[name], color=TRAINING, lw=1.2, label="training")
        axis.plot(x, own[name], color=GENERATED, lw=1.2, label="generated, 95 %")
        entry = found[f"d_{name}"]
        axis.set(xlabel=unit, title=f"d_{name} = {entry['value']:.3g}  ({entry['lower']:.3g} … {entry['upper']:.3g})")
    axes[0].set(ylabel="g(r)", xlim=(1.5, 10))
    axes[1].set(ylabel="share per 0.5°", xlim=(40, 180))
    axes[0].legend(frameon=False)
    save(figure, "distributions")
    for name, sample in (("training", training), ("generated", generated)):
        print(f"{name}: mean bond angle {sample.column('angle_mean').mean():.2f}°, ", end="")
        print(f"sigma {sample.column('angle_sigma').mean():.2f}°")


def motifs() -> None:
    """Shares of the motifs with intervals: silicon, and lithium at the interface by number of Cl."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=(1, 1.1))
    _motif_bars(axes[0], "amorphous", "Si")
    _anion_bars(axes[1])
    save(figure, "motifs")


def _motif_table(kind: str, group: str) -> list[dict[str, Any]]:
    training, generated = reference_sample(kind, 0), reference_sample(kind, 1)
    field, anions = next((f, a) for g, f, a in training.kind.sites(training.composition) if g == group)
    table = MotifTable(training.column(field), anions, 0.01)
    shares = lambda block: {"shares": table.shares(block[field])}  # noqa: E731
    draws = Draws(len(generated.records), 1000, 7)
    resampled = weighted(generated.records, shares, draws)["shares"]
    return table.results(average(generated.records, shares)["shares"], resampled, 0.95)


def _bars(axis: Any, labels: list[str], rows: list[dict[str, Any]]) -> None:
    y = np.arange(len(rows))[::-1]
    entries = [row["generated_percent"] for row in rows]
    value = np.array([entry["value"] for entry in entries])
    # the pivotal interval is not symmetric, and may not even hold the value at a few structures
    error = [value - [entry["lower"] for entry in entries], [entry["upper"] for entry in entries] - value]
    axis.barh(y + 0.2, [row["training_percent"] for row in rows], 0.38, color=TRAINING, label="training")
    axis.barh(y - 0.2, value, 0.38, color=GENERATED, label="generated, 95 %", xerr=np.maximum(error, 0))
    axis.set_yticks(y, labels, fontsize=8)


def _motif_bars(axis: Any, kind: str, group: str) -> None:
    rows = _motif_table(kind, group)[:6]
    _bars(axis, [row["label"].replace(" CN_", ", CN ") for row in rows], rows)
    axis.set(xlabel=f"% of {group} sites")
    axis.legend(frameon=False, fontsize=8)
    for row in rows:
        print(f"{row['label']}: training {row['training_percent']:.1f} %, generated {row['generated_percent']}")


def _anion_bars(axis: Any) -> None:
    chosen = [
        (f"{motif['label'].replace(' CN_', ', CN ')}, {row['neighbours']} Cl", row)
        for motif in _motif_table("interface", "Li")[:3]
        for row in motif["by_anion"]["Cl"]
        if max(row["training_percent"], row["generated_percent"]["value"]) > 1
    ]
    _bars(axis, [label for label, _ in chosen], [row for _, row in chosen])
    axis.set(xlabel="% of Li sites")


def noise() -> None:
    """Every distance against the amplitude of noise, in units of its noise floor."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for axis, (kind, amplitudes) in zip(axes, AMPLITUDES.items(), strict=True):
        training = reference_sample(kind, 0)
        n = len(training.records)
        measured = floors(training, n)
        found = noise_response(kind, amplitudes)
        for name in distances(kind):
            shown = np.where(found[name] > 0, found[name], np.nan)  # the scale is logarithmic
            axis.plot(amplitudes, shown / measured[name]["value"], marker="o", ms=3, label=name)
            floor, paper = measured[name]["value"], floor_at(training, name, PAPER)
            print(f"{kind} {name}: floor at {n} against {n} {floor:.4g}, at 1000 against 1200 {paper:.3g}")
            print("  ", ", ".join(f"{a:g} Å: {v:.4g}" for a, v in zip(amplitudes, found[name], strict=True)))
        # of all distances of the family: relative to the floor their intervals are much alike
        low = min(measured[name]["lower"] / measured[name]["value"] for name in distances(kind))
        high = max(measured[name]["upper"] / measured[name]["value"] for name in distances(kind))
        axis.axhspan(low, high, color=TRAINING, alpha=0.2, lw=0)
        name = distances(kind)[0]
        axis.axhline(floor_at(training, name, PAPER) / measured[name]["value"], color=TRAINING, ls=":", lw=1)
        axis.set(xlabel="noise (Å, each coordinate)", title=AXIS_NAMES[kind], yscale="log")
        axis.legend(frameon=False, fontsize=8, loc="upper left")
        _percentages(axis, amplitudes, found)
    axes[0].set_ylabel("distance / noise floor")
    save(figure, "noise")


def _percentages(axis: Any, amplitudes: Any, found: dict[str, Any]) -> None:
    """Show shares of structures on an axis of their own, where there are any."""
    shares = {name: found[name] for name in ("vacancy_percent", "failed_percent") if name in found}
    shown = {name: list_ for name, list_ in shares.items() if np.nanmax(list_) > 0}
    if not shown:
        return
    right = axis.twinx()
    right.set(ylim=(0, 105), ylabel="% of the structures")
    for (name, list_), style in zip(shown.items(), ("--", ":"), strict=False):
        right.plot(amplitudes, list_, color=OTHER, ls=style, label=name)
        print(f"  {name}:", ", ".join(f"{a:g} Å: {v:.0f}" for a, v in zip(amplitudes, list_, strict=True)))
    right.legend(frameon=False, fontsize=8, loc="center left")


def alloy() -> None:
    """Order of an alloy: shuffled species, and missing atoms."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    training = reference_sample("alloy", 0)
    hot = Sample.of(family("alloy"), reference_structures("alloy/inputs/train_1500K.extxyz.gz"))
    shares = np.array([0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    samples = [changed("alloy", shuffle(float(share))) for share in shares]
    found = [values(sample, training)["d_cluster"] for sample in samples]
    floor = floors(training, len(training.records))["d_cluster"]
    between = values(hot, training)["d_cluster"]
    axes[0].plot(shares, found, marker="o", ms=3, color=GENERATED)
    axes[0].axhspan(floor["lower"], floor["upper"], color=TRAINING, alpha=0.2, lw=0, label="noise floor, 4 structures")
    axes[0].axhline(between, color=OTHER, ls="--", label="sampled at 1500 K")
    axes[0].set(xlabel="share of the species shuffled", ylabel="d_cluster to 300 K", ylim=(0, None))
    axes[0].legend(frameon=False, fontsize=8)
    print(f"d_cluster: 1500 K to 300 K {between:.4f}, floor {floor['value']:.4f}")
    for share, sample, d in zip(shares, samples, found, strict=True):
        energy = sample.column("formation_energy")
        print(f"  shuffled {share:.2f}: d_cluster {d:.4f}, formation energy {1000 * energy.mean():.1f} meV/atom")
    print(f"  1500 K: formation energy {1000 * hot.column('formation_energy').mean():.1f} meV/atom")

    labels = family("alloy").labels()["sro"]
    for name in ("1NN_Cr-Ni", "1NN_Fe-Ni", "2NN_Cr-Fe", "2NN_Fe-Fe"):
        column = labels.index(name)
        order = [sample.column("sro").reshape(-1, len(labels))[:, column].mean() for sample in samples]
        axes[1].plot(shares, order, marker="o", ms=3, label=name)
        print(f"  SRO {name}: {order[0]:+.3f} (300 K), {order[-1]:+.3f} (shuffled)")
    axes[1].axhline(0, color=TRAINING, lw=0.6)
    axes[1].set(xlabel="share of the species shuffled", ylabel="short-range order")
    axes[1].legend(frameon=False, fontsize=8)

    missing = np.array([0, 1, 2, 5, 10, 20, 40])
    samples = [changed("alloy", without(int(n))) for n in missing]
    found = [values(sample, training)["d_cluster"] for sample in samples]
    vacant = [values(sample, training)["vacancy_percent"] for sample in samples]
    axes[2].plot(missing, found, marker="o", ms=3, color=GENERATED, label="d_cluster")
    axes[2].axhspan(floor["lower"], floor["upper"], color=TRAINING, alpha=0.2, lw=0)
    axes[2].set(xlabel="atoms missing, of 256", ylim=(0, None))
    right = axes[2].twinx()
    right.plot(missing, vacant, color=OTHER, ls="--", label="vacancy_percent")
    right.set(ylim=(0, 105), ylabel="vacancy_percent")
    handles = [axes[2].lines[0], right.lines[0]]
    right.legend(handles=handles, frameon=False, fontsize=8, loc="lower right")
    for n, d, share in zip(missing, found, vacant, strict=True):
        print(f"  {n} atoms missing: d_cluster {d:.4f}, vacancy_percent {share:.0f}")
    save(figure, "alloy")


def numbers() -> None:
    """Distance, interval and noise floor against the number of structures."""
    training = random_alloys(400, 1.0, seed=1)
    others = {"as training": random_alloys(1000, 1.0, seed=2), "some order left": random_alloys(1000, 0.8, seed=3)}
    counts = np.array([3, 5, 10, 20, 50, 100, 200, 500, 1000])
    figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for (name, sample), colour in zip(others.items(), (OTHER, GENERATED), strict=True):
        found = [compare(first(sample, int(n)), training)["d_cluster"] for n in counts]
        value, low, high = (np.array([entry[key] for entry in found]) for key in ("value", "lower", "upper"))
        axis.plot(counts, value, marker="o", ms=3, color=colour, label=f"generated {name}")
        axis.fill_between(counts, low, high, color=colour, alpha=0.2, lw=0)
        for n, entry in zip(counts, found, strict=True):
            print(f"{name}, {n}: {entry['value']:.4f} ({entry['lower']:.4f} … {entry['upper']:.4f})")
    floor = [floors(training, int(n), divisions=100)["d_cluster"] for n in counts]
    low, value, high = (np.array([entry[key] for entry in floor]) for key in ("lower", "value", "upper"))
    axis.fill_between(counts, low, high, color=TRAINING, alpha=0.25, lw=0)
    axis.plot(counts, value, color=TRAINING, ls="--", label="noise floor")
    axis.axhline(0, color="black", lw=0.5)
    axis.set(xlabel="structures generated (400 in training)", ylabel="d_cluster", xscale="log", ylim=(-0.01, 0.035))
    axis.legend(frameon=False, fontsize=9)
    print("floor:", ", ".join(f"{n}: {v:.4f}" for n, v in zip(counts, value, strict=True)))
    save(figure, "numbers")


def changes() -> None:
    """Print what known changes of the training structures do to each metric (no picture)."""
    for kind in FILES:
        training = reference_sample(kind, 0)
        measured = floors(training, len(training.records))
        names: dict[str, Metric] = training.kind.metrics()
        print(f"{kind}; floors: " + ", ".join(f"{name} {entry['value']:.4g}" for name, entry in measured.items()))
        own = single_distances(kind)
        line = ", ".join(f"{name} {low:.4g} … {high:.4g}" for name, (low, high) in own.items())
        print(f"  each training structure by itself: {line}")
        for change, found, failed in responses(kind):
            line = ", ".join(f"{name} {found[name]:.4g}" for name in names)
            print(f"  {change}: {line}, failed {failed:.0f} %")


PICTURES: dict[str, Callable[[], None]] = {
    made.__name__: made for made in (distributions, motifs, noise, alloy, numbers, changes)
}


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(tuple(PICTURES)), help="Of these only.")
def main(names: tuple[str, ...]) -> None:
    """Make the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or PICTURES:
        print(f"== {name}")
        PICTURES[name]()


if __name__ == "__main__":
    main()
