"""The authors' reference data for interfaces, and small structures."""

from __future__ import annotations

import numpy as np
import pytest
from interface_reference import COMPOSITION, DATA, read_fingerprints

from aiida_dismai.engine.metrics.chemistry import Chemistry
from aiida_dismai.engine.metrics.fingerprints import feature_labels
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.reference import Reference
from aiida_dismai.engine.metrics.summaries import Summaries, Summary
from aiida_dismai.engine.structures import StructureSet, load_structures


def read_summaries(kind: str, chemistry: Chemistry) -> list[Summary]:
    fingerprints = {cation: read_fingerprints(kind, cation)[0] for cation in chemistry.cations}
    return [Summary.of({cation: values[i] for cation, values in fingerprints.items()}, chemistry) for i in range(5)]


@pytest.fixture(scope="session")
def chemistry() -> Chemistry:
    return MetricsParameters().chemistry()


@pytest.fixture(scope="session")
def train_summaries(chemistry) -> list[Summary]:
    return read_summaries("train", chemistry)


@pytest.fixture(scope="session")
def gen_summaries(chemistry) -> list[Summary]:
    return read_summaries("gen", chemistry)


@pytest.fixture(scope="session")
def train_structures() -> StructureSet:
    return load_structures(DATA / "inputs" / "train.extxyz.gz")


@pytest.fixture(scope="session")
def gen_structures() -> StructureSet:
    return load_structures(DATA / "inputs" / "gen_relaxed.extxyz.gz")


@pytest.fixture(scope="session")
def reference(chemistry, train_summaries, train_structures) -> Reference:
    summaries = Summaries.stack(train_summaries, chemistry, COMPOSITION, len(feature_labels(chemistry)))
    return Reference(chemistry, COMPOSITION, train_structures.without_properties().content_hash, 5, summaries)


@pytest.fixture(scope="session")
def rock_salt() -> StructureSet:
    """Two conventional cells of LiCl, 5.13 and 5.20 Å."""
    numbers = [3] * 4 + [17] * 4
    fcc = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    fractional = np.concatenate([fcc, fcc + np.array([0.5, 0, 0])])
    cells = np.array([np.eye(3) * length for length in (5.13, 5.20)])
    return StructureSet.from_uniform(numbers, fractional @ cells, cells)
