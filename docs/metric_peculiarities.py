"""By how much the authors' numbers and ours differ where their scripts are peculiar, on the reference data.

    OMP_NUM_THREADS=1 python docs/metric_peculiarities.py

Prints what the last table of ``docs/metrics.md`` quotes: defaults, ``compat``, the authors' files, and where it is
known the truth.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from metric_studies import (
    FILES,
    REFERENCE,
    Sample,
    family,
    noise,
    reference_sample,
    reference_structures,
    values,
)
from numpy.typing import NDArray

from aiida_dismai.engine.descriptors.fingerprints import feature_labels, motif_labels
from aiida_dismai.engine.descriptors.motifs import most_likely
from aiida_dismai.engine.descriptors.rdf import radial_distribution
from aiida_dismai.engine.families.base import make_metrics
from aiida_dismai.engine.families.distances import euclidean
from aiida_dismai.engine.families.published import read_clusters, read_fingerprints
from aiida_dismai.engine.metrics.parameters import MetricsParameters, PostprocessParameters
from aiida_dismai.engine.metrics.postprocess import push_apart
from aiida_dismai.engine.structures import StructureSet

CATIONS = ("Li", "Co", "Sc")
#: Clean-up scripts of the authors: our alignment, and the sets that they were run on.
CLEANED = {
    "cryingan": ("none", ("i",)),
    "diffcsp": ("translate", ("i", "ii", "iii")),
    "cdvae": ("rotate", ("iii", "iv")),
}


def table(path: str) -> dict[int, str]:
    """Return the second column of a csv file by the first."""
    with (REFERENCE / path).open() as handle:
        return {int(row[0]): row[1] for row in list(csv.reader(handle))[1:]}


def alloys(name: str, align: str, compat: bool) -> Sample:
    """Describe a generated set of alloys."""
    kind = make_metrics(
        MetricsParameters.model_validate({"kind": "alloy", "compat": compat, "alloy": {"align": align}})
    )
    return Sample.of(kind, reference_structures(f"alloy/inputs/gen_{name}.extxyz.gz"))


def show(numbers: Iterable[Any]) -> str:
    """Return numbers in one line."""
    return " ".join(str(number) for number in numbers)


# ---------------------------------------------------------------------- push apart
def push() -> None:
    """Pairs close through a face of the cell."""
    structures = reference_structures("int/inputs/gen_overlap.extxyz.gz")
    made = json.loads((REFERENCE / "int/inputs/int_generation.json").read_text())["overlap"]
    for i, structure in enumerate(structures):
        cell = structure.cells[0]
        found = [
            push_apart(structure.positions, cell, structure.pbc[0], PostprocessParameters(compat=compat))
            for compat in (False, True)
        ]
        moved = [np.linalg.norm(positions - structure.positions, axis=1) for positions, _ in found]
        differ = np.linalg.norm(found[0][0] - found[1][0], axis=1)
        line = f"  {i} ({made[i]['kind']}): "
        for name, (_, rounds), distance in zip(("default", "compat"), found, moved, strict=True):
            count = int((distance > 1e-9).sum())
            line += f"{name} moves {count} atoms by up to {distance.max():.2f} Å in {rounds} rounds, "
        print(line + f"{int((differ > 1e-9).sum())} atoms differ")


# ---------------------------------------------------------------------- motifs
def fingerprints(element: str, which: str) -> NDArray[np.float64]:
    """Return the authors' fingerprints, ``(structures, sites, features)``."""
    if element == "Si":
        return read_fingerprints(REFERENCE / "a_Si" / "motif" / which, motif_labels(), ["Si"])["Si"]
    labels = feature_labels(MetricsParameters().interface.chemistry())
    return read_fingerprints(REFERENCE / "int" / "motif" / which, labels, [element])[element]


def substrings() -> None:
    """Motifs looked for by a part of the columns' names."""
    for element in ("Si", *CATIONS):
        differ = total = 0
        for which in ("train", "gen"):
            for sites in fingerprints(element, which):
                anions = 0 if element == "Si" else 2
                found = [most_likely(sites, anions, compat) for compat in (False, True)]
                differ += int((found[0][:, 0] != found[1][:, 0]).sum())
                total += len(sites)
        print(f"  {element}, authors' fingerprints: {differ} of {total} sites get another motif")
    for kind in ("interface", "amorphous"):
        random = np.random.default_rng(1)
        structures = [noise(0.4)(structure, random) for structure in reference_structures(FILES[kind][0])]
        found = [Sample.of(family(kind, compat), iter(structures)) for compat in (False, True)]
        fields = [name for name in found[0].records.dtype.names or () if name.startswith("motifs")]
        both = [np.concatenate([sample.column(name)[..., 0].ravel() for name in fields]) for sample in found]
        print(f"  {kind} with noise of 0.4 Å: {int((both[0] != both[1]).sum())} of {len(both[0])} sites")


def blocks() -> None:
    """Rows cut into blocks by position: one site of the second structure missing, or the rows in another order."""
    for element in CATIONS:
        training, generated = (fingerprints(element, which) for which in ("train", "gen"))
        n, sites, features = generated.shape
        target = training.reshape(-1, features).mean(axis=0)
        rows = generated.reshape(-1, features)

        def by_position(rows: NDArray[np.float64], sites: int = sites, n: int = n) -> NDArray[np.float64]:
            return np.array([rows[i * sites : (i + 1) * sites].mean(axis=0) for i in range(n)])

        def single(means: NDArray[np.float64], target: NDArray[np.float64] = target) -> NDArray[np.float64]:
            return euclidean(means, target)

        whole = by_position(rows)
        short = by_position(np.delete(rows, sites + sites // 2, axis=0))
        left = np.delete(whole, 1, axis=0).mean(axis=0)
        shift = np.abs(single(whole) - single(short)).max()
        print(
            f"  {element}: d {euclidean(whole.mean(axis=0), target):.5f}; a site missing in structure 1: by position "
            f"{euclidean(short.mean(axis=0), target):.5f}, without that structure {euclidean(left, target):.5f}; a "
            f"structure's own distance is off by up to {shift:.4f}"
        )


# ---------------------------------------------------------------------- RDF
def small_cells() -> None:
    """Pairs that the 2×2×2 supercell does not hold."""
    for repeats in (1, 2, 3):
        basis = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
        grid = np.stack(np.meshgrid(*[np.arange(repeats)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        positions = 5.43 * (grid + basis).reshape(-1, 3)
        positions += np.random.default_rng(0).normal(0, 0.05, positions.shape)
        cell, pbc = 5.43 * repeats * np.eye(3), np.ones(3, dtype=bool)
        default, compat = (radial_distribution(positions, cell, pbc, supercell=flag) for flag in (False, True))
        shells = np.diff(np.linspace(0, 10, 501) ** 3)
        lost = 100 * (1 - (compat * shells).sum() / (default * shells).sum())
        print(
            f"  {len(positions)} atoms, {5.43 * repeats:.2f} Å: compat has {lost:.1f} % fewer pairs, the distance of "
            f"the two is {np.linalg.norm(default - compat):.3g}"
        )
    for structure in reference_structures(FILES["amorphous"][0])[:1]:
        arguments = structure.positions, structure.cells[0], structure.pbc[0]
        differ = np.abs(radial_distribution(*arguments) - radial_distribution(*arguments, supercell=True)).max()
        print(f"  {len(structure.numbers)} atoms of the reference: largest difference {differ:.1e}")


# ---------------------------------------------------------------------- alloys
def clean_up() -> None:
    """Vacancies and failures after the three alignments, by structure."""
    truth = json.loads((REFERENCE / "alloy/inputs/alloy_generation.json").read_text())["generated"]
    for script, (align, names) in CLEANED.items():
        for name in names:
            structures = reference_structures(f"alloy/inputs/gen_{name}.extxyz.gz")
            true = [_truth(entry) for entry in truth[name]]
            column = "atoms_removed_count" if script == "cdvae" else "vac_count"
            theirs = table(f"alloy/remove/{script}_{name}/{column}.csv")
            print(f"  {script} ({align}), gen_{name}: truth {show(true)}")
            for label, chosen, compat in (("default", align, False), ("auto", "auto", False), ("compat", align, True)):
                print(f"    {label}: {_vacancies(structures, chosen, compat)}")
            print(f"    authors: {show(theirs.get(i, 'failed') for i in range(len(structures)))}")


def _truth(entry: dict[str, Any]) -> int | str:
    """Return the vacancies of a structure by how it was made."""
    if "off_lattice" in entry:
        return "failed"
    return int(entry.get("duplicated", entry.get("dropped", 0)))


def _vacancies(structures: StructureSet, align: str, compat: bool) -> str:
    kind = make_metrics(
        MetricsParameters.model_validate({"kind": "alloy", "compat": compat, "alloy": {"align": align}})
    )
    found = []
    for structure in structures:
        sample = Sample.of(kind, structure)
        found.append("failed" if sample.failures else int(sample.column("vacancies")[0]))
    return show(found)


def one_atom() -> None:
    """The atom nearest the origin, from which the authors take the shift, moved off the lattice by 1.2 Å."""
    for name in ("i", "ii"):
        moved = []
        for structure in reference_structures(f"alloy/inputs/gen_{name}.extxyz.gz")[:5]:
            positions, edge = structure.positions.copy(), structure.cells[0, 0, 0]
            wrapped = positions - edge * np.round(positions / edge)
            positions[np.argmin(np.linalg.norm(wrapped, axis=1))] += 1.2 / np.sqrt(3)
            moved.append(structure.with_positions(positions))
        structures = StructureSet.concatenate(moved)
        both = (_vacancies(structures, "translate", compat) for compat in (False, True))
        print("  gen_{}: default {}; compat {}".format(name, *both))


def estimates() -> None:
    """Vacancies as the authors' counting script estimates them, where the metric script takes that number."""
    for name, align in (
        ("cryingan_i", "none"),
        ("diffcsp_ii", "translate"),
        ("cdvae_iii", "rotate"),
        ("cdvae_iv", "auto"),
    ):
        structures = reference_structures(f"alloy/inputs/gen_{name.split('_')[1]}.extxyz.gz")
        theirs = table(f"alloy/clusters/{name}/vac_count.csv")
        print(f"  {name}: authors' estimate {show(theirs.values())}; ours {_vacancies(structures, align, False)}")


def clusters() -> None:
    """Distances to the two training sets: the authors' files, ours with ``compat``, ours by default."""
    for name, align in (
        ("cryingan_i", "none"),
        ("diffcsp_ii", "translate"),
        ("cdvae_iii", "rotate"),
        ("cdvae_iv", "auto"),
    ):
        for where in ("300K", "1500K"):
            with (REFERENCE / f"alloy/clusters/{name}/alloy_metrics_vs_{where}.csv").open() as handle:
                authors = {row[0]: float(row[1]) for row in list(csv.reader(handle))[1:]}
            line = ", ".join(f"{key.split(' (')[0]} {value:.5g}" for key, value in authors.items())
            print(f"  {name} against {where}: authors {line}")
            for compat in (True, False):
                kind = make_metrics(MetricsParameters.model_validate({"kind": "alloy", "compat": compat}))
                training = Sample.of(kind, reference_structures(f"alloy/inputs/train_{where}.extxyz.gz"))
                generated = alloys(name.split("_")[1], align, compat)
                found = values(generated, training)
                print(
                    f"    {'compat' if compat else 'default'}: d_cluster {found['d_cluster']:.5g}, vacancy_percent "
                    f"{found['vacancy_percent']:.4g}, {len(generated.failures)} rejected"
                )
    labels = family("alloy").labels()["cluster"]
    for name in ("train_300K", "cryingan_i", "diffcsp_ii", "cdvae_iii"):
        theirs = read_clusters(REFERENCE / "alloy" / "clusters" / name, labels)
        if name.startswith("train"):
            ours = reference_sample("alloy", 0)
        else:
            align = {"i": "none", "ii": "translate", "iii": "rotate"}[name.split("_")[1]]
            ours = alloys(name.split("_")[1], align, False)
        accepted = min(len(theirs), len(ours.records))
        differ = np.abs(ours.column("cluster")[:accepted] - theirs[:accepted]).max(axis=1)
        print(f"  {name}: largest difference of a cluster probability {show(f'{value:.1e}' for value in differ)}")


def lost_counts() -> None:
    """Numbers of Cl above the coordination number of the first motif, which the authors' tables leave out."""
    for element in CATIONS:
        training = fingerprints(element, "train")
        codes = np.array([most_likely(sites, 2) for sites in training])
        with (REFERENCE / f"int/motif/gen/most_likely_{element}_OP.csv").open() as handle:
            head = next(csv.reader(handle))
        columns = sum(name.startswith("Train set ") and name.endswith(" Cl (%)") for name in head)
        print(f"  {element}: up to {int(codes[..., 1].max())} Cl occur, the table has 0 to {columns - 1}")


def rounding() -> None:
    """What reading and writing the csv of fingerprints again does to their digits."""
    with gzip.open(REFERENCE / "a_Si/motif/train/cnn_stats_Si.csv.gz", "rt") as handle:
        next(handle)
    theirs = fingerprints("Si", "train").mean(axis=1)
    ours = reference_sample("amorphous", 0).column("motif")
    print(f"  a structure's average fingerprint: largest difference {np.abs(theirs - ours).max():.1e}")


PARTS = (push, substrings, blocks, small_cells, clean_up, one_atom, estimates, clusters, lost_counts, rounding)


def main() -> None:
    """Print everything."""
    for part in PARTS:
        print(f"== {part.__doc__}")
        part()


if __name__ == "__main__":
    main()
