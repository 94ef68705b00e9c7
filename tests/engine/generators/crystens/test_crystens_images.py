"""Structures to images and back: the published encoder's and decoder's numbers, and round trips of any structure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.cell import Cell
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_dismai.engine.errors import BadInput, BadWeights
from aiida_dismai.engine.generators.crystens.images import HEADER, STATISTICS, Images, find_padding
from aiida_dismai.engine.generators.one_cell import fractional_coordinates
from aiida_dismai.engine.structures import StructureSet

pytestmark = pytest.mark.engine
PUBLISHED = Path(__file__).parents[3] / "data" / "published" / "unets"
GIVEN = dict(np.load(PUBLISHED / "crystens.npz"))
SAID = json.loads((PUBLISHED / "reconstruction.json").read_text())["crystens"]
#: Our names of the quantities and statistics, theirs.
SCALER = dict(zip(("species", "x", "y", "z", "norm", "dx", "dy", "dz"), SAID["scaler"], strict=True))
THEIRS = ("atom_num_accuracy", "lat_len_mae", "lat_angle_mae", "spacegroup_mae", "coord_mae", "pair_dist_mae")


def published(padding):
    """Return the images of the published structure with a padding that its 4 atoms need not fit to."""
    images = Images.of(GIVEN["numbers"], GIVEN["frac"][None], "auto")
    return Images(padding, images.numbers, images.minimum, images.maximum)


def test_minimum_and_maximum_are_the_published_ones():
    config = published(1).config()
    for ours, theirs in SCALER.items():
        assert config["minimum"][ours] == pytest.approx(SAID["scaler"][theirs]["min"], abs=1e-12)
        assert config["maximum"][ours] == pytest.approx(SAID["scaler"][theirs]["max"], abs=1e-12)


def test_the_published_image_of_a_structure():
    found = published(1).encode(torch.from_numpy(GIVEN["frac"][None]))
    assert found.shape == (1, 4, 16, 16)
    np.testing.assert_allclose(found[0], GIVEN["normalised"], atol=1e-12)


@pytest.mark.parametrize(("padding", "image", "name"), [(1, "normalised", "clean"), (1, "perturbed", "perturbed")])
def test_the_published_decoder(padding, image, name):
    fractional, said = published(padding).decode(torch.from_numpy(GIVEN[image][None]))
    np.testing.assert_allclose(fractional[0], GIVEN[f"decoded_{name}"], atol=1e-12)
    expected = [SAID[f"stats_{name}"][key] for key in THEIRS]
    np.testing.assert_allclose(said[0], expected, atol=1e-12)


def test_the_published_decoder_with_padding_5():
    images = published(5)
    clean = images.encode(torch.from_numpy(GIVEN["frac"][None]))
    fractional, said = images.decode(torch.cat([torch.from_numpy(GIVEN["perturbed_pad5"][None]), clean]))
    np.testing.assert_allclose(fractional[0], GIVEN["decoded_pad5"], atol=1e-12)
    expected = [SAID["stats_pad5_mean_of_perturbed_and_clean"][key] for key in THEIRS]
    np.testing.assert_allclose(said.mean(dim=0), expected, atol=1e-12)
    assert len(STATISTICS) == len(THEIRS)


@st.composite
def structures(draw):
    """Structures of one to twelve atoms in one triclinic cell; coordinates anywhere, periodic or not."""
    lengths = [draw(st.floats(2, 40)) for _ in range(3)]
    angles = [draw(st.floats(65, 115)) for _ in range(3)]
    cell = Cell.fromcellpar([*lengths, *angles]).array
    n_atoms, n_structures = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    numbers = np.sort(random.integers(1, 100, n_atoms))
    pbc = [True, True, draw(st.booleans())]
    positions = (2 * random.random((n_structures, n_atoms, 3)) - 0.5) @ cell
    return StructureSet.from_uniform(numbers, positions, cell, pbc)


@settings(max_examples=60, deadline=None)
@given(structures(), st.integers(0, 3))
def test_there_and_back(given_structures, extra):
    """In float64 and through the float32 of the networks: positions differ by whole lattice vectors and < 1e-5 Å."""
    numbers = given_structures.numbers[given_structures.atoms_of(0)]
    fractional = fractional_coordinates(given_structures)
    padding = find_padding(len(numbers), "auto") + 8 * extra
    images = Images.of(numbers, fractional, padding)
    assert images.side % 8 == 0
    encoded = images.encode(torch.from_numpy(fractional))
    assert encoded.min() >= 0
    assert encoded.max() <= 1 + 1e-12
    for shown in (encoded, encoded.float()):
        decoded, said = images.decode(shown)
        moved = decoded.numpy() @ given_structures.cells[0] - given_structures.positions.reshape(decoded.shape)
        away = moved @ np.linalg.inv(given_structures.cells[0])
        away = (away - np.round(away)) @ given_structures.cells[0]
        assert np.abs(away).max() < 1e-5
        assert (said[:, 0] == 1).all()
        np.testing.assert_allclose(said[:, 1:], 0, atol=1e-6)


def test_what_config_describes():
    images = Images.of(np.array([3, 3, 8, 8]), np.random.default_rng(1).random((3, 4, 3)), "auto")
    again = Images.from_config(json.loads(json.dumps(images.config())), np.array([3, 3, 8, 8]))
    assert again.side == images.side == 16
    assert torch.equal(again.minimum, images.minimum)
    assert torch.equal(again.maximum, images.maximum)


@pytest.mark.parametrize("spoil", ["padding", "minimum", "maximum", "infinite"])
def test_a_config_that_is_not_one(spoil):
    config = Images.of(np.array([3, 8]), np.random.default_rng(1).random((3, 2, 3)), "auto").config()
    if spoil == "infinite":
        config["minimum"]["dx"] = float("inf")
    else:
        del config[spoil]
    with pytest.raises(BadWeights, match=r"config\.json lacks 'padding', 'minimum' or 'maximum'"):
        Images.from_config(config, np.array([3, 8]))


def test_a_template_with_another_number_of_atoms():
    config = Images.of(np.array([3, 8]), np.random.default_rng(1).random((3, 2, 3)), "auto").config()
    with pytest.raises(BadWeights, match=r"do not belong to the template.*for 3 atoms"):
        Images.from_config(config, np.array([3, 8, 8]))


def test_sides_that_do_not_divide():
    assert [find_padding(n, "auto") for n in (264, 256, 5, 6, 8)] == [5, 5, 0, 7, 5]
    assert find_padding(264, 13) == 13
    with pytest.raises(BadInput, match=r"padding 1 gives images of 276 pixels for 264 atoms.*'auto' or 5, 13, …"):
        find_padding(264, 1)


def test_the_header_is_read_from_all_eight_copies():
    """One copy moved by 0.8 of the range moves the coordinate by a tenth of it, as published."""
    fractional = np.random.default_rng(2).random((2, 5, 3))
    images = Images.of(np.array([3, 3, 8, 8, 8]), fractional, "auto")
    shown = images.encode(torch.from_numpy(fractional[:1]))
    shown[0, 2, 1, HEADER + images.padding :] += 0.8
    moved = images.decode(shown)[0][0].numpy() - fractional[0]
    np.testing.assert_allclose(moved[:, 0], 0.1 * np.ptp(fractional[..., 0]), atol=1e-12)
    np.testing.assert_allclose(moved[:, 1:], 0, atol=1e-12)
