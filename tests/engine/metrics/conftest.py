"""The authors' reference data for interfaces, and small structures."""

from __future__ import annotations

import numpy as np
import pytest
from support.interface_reference import COMPOSITION, DATA, as_collected, read_fingerprints

from aiida_dismai.engine.descriptors.motifs import most_likely
from aiida_dismai.engine.families.interface.metrics import InterfaceMetrics
from aiida_dismai.engine.metrics.collect import Collected
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.records import StoredRecords
from aiida_dismai.engine.metrics.reference import Reference
from aiida_dismai.engine.structures import StructureSet, load_structures


@pytest.fixture(scope="session")
def kind() -> InterfaceMetrics:
    return InterfaceMetrics(MetricsParameters())


def read_records(which: str, kind: InterfaceMetrics) -> StoredRecords:
    """Return the records of five structures from the authors' fingerprints."""
    records = np.zeros(5, kind.dtype(COMPOSITION))
    for k, cation in enumerate(kind.chemistry.cations):
        fingerprints = read_fingerprints(which, cation)[0]
        records["means"][:, k] = fingerprints.mean(axis=1)
        records[f"motifs.{cation}"] = [most_likely(sites, 2) for sites in fingerprints]
    return StoredRecords(records)


@pytest.fixture(scope="session")
def reference(kind) -> Reference:
    return Reference(COMPOSITION, "of the authors", 5, read_records("train", kind))


@pytest.fixture(scope="session")
def generated(kind) -> Collected:
    return as_collected(read_records("gen", kind))


@pytest.fixture(scope="session")
def train_structures() -> StructureSet:
    return load_structures(DATA / "inputs" / "train.extxyz.gz")


@pytest.fixture(scope="session")
def gen_structures() -> StructureSet:
    return load_structures(DATA / "inputs" / "gen_relaxed.extxyz.gz")


@pytest.fixture(scope="session")
def rock_salt() -> StructureSet:
    """Two conventional cells of LiCl, 5.13 and 5.20 Å."""
    numbers = [3] * 4 + [17] * 4
    fcc = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    fractional = np.concatenate([fcc, fcc + np.array([0.5, 0, 0])])
    cells = np.array([np.eye(3) * length for length in (5.13, 5.20)])
    return StructureSet.from_uniform(numbers, fractional @ cells, cells)
