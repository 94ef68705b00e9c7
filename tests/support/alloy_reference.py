"""Where the authors' reference data for alloys lie, and how their csv files are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from aiida_dismai.engine.structures import StructureSet, load_structures

DATA = Path(__file__).parents[1] / "data" / "reference" / "alloy"
#: Which inputs, with which alignment, became which of the authors' cluster tables.
TABLES = {
    "train_300K": ("train_300K", "none"),
    "train_1500K": ("train_1500K", "none"),
    "cryingan_i": ("gen_i", "none"),
    "diffcsp_ii": ("gen_ii", "translate"),
    "cdvae_iii": ("gen_iii", "rotate"),
    "cdvae_iv": ("gen_iv", "rotate"),
}
GENERATION = json.loads((DATA / "inputs" / "alloy_generation.json").read_text())


def read_inputs(name: str) -> StructureSet:
    return load_structures(DATA / "inputs" / f"{name}.extxyz.gz")


def read_table(name: str, table: str) -> tuple[list[str], np.ndarray]:
    """Return the columns after the structure's index, and the numbers."""
    with (DATA / "clusters" / name / f"{table}.csv").open() as handle:
        rows = list(csv.reader(handle))
    assert [int(row[0]) for row in rows[1:]] == list(range(len(rows) - 1))
    return rows[0][1:], np.array([row[1:] for row in rows[1:]], dtype=float)


def read_metrics(name: str, train: str) -> dict[str, list[float]]:
    """Return value, lower and upper error of the metrics with an interval."""
    with (DATA / "clusters" / name / f"alloy_metrics_vs_{train}.csv").open() as handle:
        rows = list(csv.reader(handle))[2:]
    return {row[0]: [float(item) for item in row[1:]] for row in rows}
