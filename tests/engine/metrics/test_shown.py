"""Which structures a report shows, and which training structures are nearest to them."""

import numpy as np
import pytest

from aiida_dismai.engine.families.distances import Metric
from aiida_dismai.engine.metrics.places import choose
from aiida_dismai.engine.metrics.records import StoredRecords
from aiida_dismai.engine.metrics.reference import Reference
from aiida_dismai.engine.metrics.shown import shown

RECORD = np.dtype([("v", float, (2,))])


class Kind:
    def metrics(self):
        return {"d_v": Metric.euclidean("v"), "cos_v": Metric.cosine("v")}

    def vectors(self, records, composition):
        return {"v": records["v"]}


def records(*rows):
    return StoredRecords(np.array([(row,) for row in rows], RECORD))


@pytest.mark.parametrize(
    ("distances", "chosen"),
    [
        ([0.3, 0.1, np.nan, 0.2], [1, 3, 0]),
        ([0.5], [0, 0, 0]),
        ([0.2, 0.1], [1, 1, 0]),
        ([np.nan], []),
        ([], []),
    ],
)
def test_best_median_and_worst(distances, chosen):
    assert choose(np.array(distances, dtype=float)).tolist() == chosen


def test_nearest_training_structures_by_the_vector_of_the_metric():
    training = records([0, 0], [1, 0], [0, 5])
    generated = records([0, 4], [0.9, 0], [0.1, 0])
    distances = {"d_v": np.array([4.0, 0.9, 0.1]), "cos_v": np.array([1.0, 1.0, 1.0])}
    places = np.array([2, 5, 7])
    found = shown(Kind(), Reference({}, "", 3, training), places, generated, distances)
    assert {name: values.tolist() for name, values in found.items()} == {
        "shown.d_v": [2, 1, 0],
        "shown_training.d_v": [2, 5, 7],
    }


def test_without_training_structures_there_is_none_nearest():
    found = shown(Kind(), Reference({}, "", 1, records([0, 0])), None, records([1, 1]), {"d_v": np.array([1.4])})
    assert found["shown_training.d_v"].tolist() == [-1, -1, -1]
    assert shown(Kind(), Reference({}, "", 1, records([0, 0])), None, records(), {"d_v": np.zeros(0)}) == {}
