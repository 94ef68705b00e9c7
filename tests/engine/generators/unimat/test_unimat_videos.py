"""Structures to videos and back: the published decoder's numbers, and round trips of any structure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_dismai.engine.errors import BadInput, BadWeights
from aiida_dismai.engine.generators.one_cell import fractional_coordinates
from aiida_dismai.engine.generators.unimat.videos import Videos
from aiida_dismai.engine.structures import StructureSet

pytestmark = pytest.mark.engine
PUBLISHED = Path(__file__).parents[3] / "data" / "published" / "unets"
LI_O = [3, 3, 8, 8]


def published():
    arrays = np.load(PUBLISHED / "unimat.npz")
    pixels = json.loads((PUBLISHED / "reconstruction.json").read_text())["unimat"]["el_index_map"]
    return arrays, pixels, Videos.of(np.array(LI_O), arrays["frac_true"][None], 4, pixels)


def test_the_published_video_of_a_structure():
    arrays, _, videos = published()
    found = videos.encode(torch.from_numpy(arrays["frac_true"][None]))
    assert found.shape == (1, 3, 4, 4, 4)
    np.testing.assert_allclose(found[0], arrays["video_clean"], atol=1e-12)


def test_the_published_decoder():
    arrays, _, videos = published()
    fractional, right, present = videos.decode(torch.from_numpy(arrays["videos"]))
    kept = right.all(dim=1).numpy()
    assert kept.tolist() == arrays["kept"].astype(bool).tolist()
    np.testing.assert_allclose(right.double().mean(dim=1), arrays["accuracy"])
    np.testing.assert_allclose(fractional[kept], arrays["frac"][kept], atol=1e-12)
    # the fourth has a right pixel at -0.95, which the published decoder does not look at
    assert present.all(dim=1).tolist() == [True, True, True, True, False, True]


def test_scale_of_the_training_set():
    reconstruction = json.loads((PUBLISHED / "reconstruction.json").read_text())["unimat"]["scaler"]
    _, pixels, videos = published()
    assert videos.minimum.tolist() == [reconstruction[f"coord_{axis}"]["min"] for axis in "xyz"]
    assert videos.maximum.tolist() == [reconstruction[f"coord_{axis}"]["max"] for axis in "xyz"]
    config = json.loads(json.dumps(videos.config(np.array(LI_O))))
    assert config["pixels"] == pixels
    again = Videos.from_config(config, np.array(LI_O), 4)
    assert torch.equal(again.minimum, videos.minimum)
    assert torch.equal(again.pixels, videos.pixels)


@st.composite
def sets(draw):
    """Return structures with the same atoms, grouped by element, in one triclinic cell."""
    counts = draw(
        st.lists(st.tuples(st.integers(1, 118), st.integers(1, 5)), min_size=1, max_size=5, unique_by=lambda p: p[0])
    )
    numbers = np.repeat(*zip(*counts, strict=True))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    cell = np.diag(random.uniform(3, 40, 3)) + np.tril(random.uniform(-2, 2, (3, 3)), -1)
    n = draw(st.integers(1, 4))
    fractional = random.uniform(-1.5, 1.5, (n, len(numbers), 3))
    if draw(st.booleans()):
        fractional[:, :, 2] = 0.25  # a layer: no range along an axis
    return StructureSet.from_uniform(
        numbers, fractional @ cell, cell, draw(st.sampled_from([True, (True, True, False)]))
    )


@given(sets(), st.sampled_from([4, 8]))
@settings(max_examples=80, deadline=None)
def test_round_trip(structures, side):
    numbers = structures.numbers[: structures.n_atoms[0]]
    fractional = fractional_coordinates(structures)
    videos = Videos.of(numbers, fractional, side, {})
    images = videos.encode(torch.from_numpy(fractional)).float()
    assert images.shape == (len(structures), 3, len(numbers), side, side)
    assert ((images >= 0).all(dim=1).flatten(2).sum(dim=2) == 1).all()
    found, right, present = videos.decode(images)
    assert right.all()
    assert present.all()
    difference = found.numpy() @ structures.cells[0] - structures.positions.reshape(found.shape)
    shift = np.linalg.solve(structures.cells[0].T, difference.reshape(-1, 3).T).T
    assert np.abs(shift - shift.round()).max() * 60 < 1e-4
    assert np.abs((shift - shift.round()) @ structures.cells[0]).max() < 1e-5


def test_elements_get_pixels_in_the_order_of_their_numbers():
    fractional = np.random.default_rng(0).random((2, 6, 3))
    videos = Videos.of(np.array([17, 17, 3, 8, 8, 21]), fractional, 4, {})
    assert videos.pixels.tolist() == [2, 2, 0, 1, 1, 3]
    assert videos.config(np.array([17, 17, 3, 8, 8, 21]))["pixels"] == {
        "Cl": [0, 2],
        "Li": [0, 0],
        "O": [0, 1],
        "Sc": [0, 3],
    }


def test_pixels_of_ones_own():
    fractional = np.random.default_rng(0).random((2, 4, 3))
    videos = Videos.of(np.array(LI_O), fractional, 8, {"O": [7, 1], "Li": [0, 5], "Cl": [0, 0]})
    assert videos.pixels.tolist() == [5, 5, 57, 57]


@pytest.mark.parametrize(
    ("numbers", "pixels", "message"),
    [
        (range(1, 18), {}, "17 elements do not fit into frames of 4 × 4 pixels; give a larger side"),
        ([3, 8], {"Li": [0, 0]}, "O has no pixel"),
        ([3, 8], {"Li": [0, 0], "O": [0, 4]}, r"O at \[0, 4\] is outside of frames of 4 × 4 pixels"),
        ([3, 8], {"Li": [1, 1], "O": [1, 1]}, r"O and another element have the pixel \[1, 1\]"),
    ],
)
def test_elements_without_a_pixel_are_refused(numbers, pixels, message):
    with pytest.raises(BadInput, match=message):
        Videos.of(np.array(numbers), np.random.default_rng(0).random((1, len(numbers), 3)), 4, pixels)


@pytest.mark.parametrize(
    "change",
    [{"minimum": [0, 0]}, {"maximum": None}, {"pixels": [1]}, {"minimum": [0, 0, float("nan")]}, {"pixels": {"Li": 3}}],
)
def test_a_config_that_cannot_be_read(change):
    config = {"minimum": [0, 0, 0], "maximum": [1, 1, 1], "pixels": {"Li": [0, 0], "O": [0, 1]}}
    with pytest.raises(BadWeights, match=r"config\.json lacks"):
        Videos.from_config(config | change, np.array(LI_O), 4)
    with pytest.raises(BadWeights, match=r"do not belong to the template: .*Na has no pixel"):
        Videos.from_config(config, np.array([3, 11]), 4)
