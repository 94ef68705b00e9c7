"""Where the authors' reference data for interfaces lie, and how their csv files are read."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

from aiida_dismai.engine.metrics.collect import Collected
from aiida_dismai.engine.metrics.records import StoredRecords

DATA = Path(__file__).parents[1] / "data" / "reference" / "int"
COMPOSITION = {"Li": 72, "Sc": 12, "Co": 36, "Cl": 72, "O": 72}


def read_fingerprints(kind: str, cation: str) -> tuple[np.ndarray, list[list[str]]]:
    """Return the fingerprints (5, sites, 109) and the authors' most likely motifs, row by row."""
    with gzip.open(DATA / "motif" / kind / f"cnn_stats_{cation}.csv.gz", "rt") as handle:
        rows = list(csv.reader(handle))[1:]
    assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)
    values = np.array([row[8:] for row in rows], dtype=float)
    return values.reshape(5, -1, 109), [row[2:8] for row in rows]


def as_collected(records: StoredRecords) -> Collected:
    n = len(records)
    return Collected(n, 0, [], np.arange(n), records, np.ones(n), np.full(n, 264))
