"""The two networks of CrysTens, their sizes, and published weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.published_unets import state, unused

from aiida_dismai.engine.checkpoint import save_weights
from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.generators.crystens.config import CrystensParameters
from aiida_dismai.engine.generators.crystens.model import from_published, join, load_networks, networks, parts
from aiida_dismai.engine.structures import StructureSet

pytestmark = pytest.mark.engine
TEMPLATE = StructureSet.from_uniform([11] * 4 + [17] * 4, np.zeros((1, 8, 3)), 5 * np.eye(3))


def checkpoint():
    return {f"unets.{i}.{k}": v for i, name in enumerate(("unet", "srunet")) for k, v in state(name).items()}


def test_trainable_parameters_are_the_published_ones_without_those_for_text():
    found = parts(TEMPLATE, CrystensParameters())
    assert found == {"small": 19_350_111 - 397_504, "large": 47_498_114 - 397_760}


def test_published_weights_are_those_of_a_trained_model(tmp_path):
    given = checkpoint()
    save_weights(tmp_path / "weights.safetensors", given)
    weights = from_published(tmp_path / "weights.safetensors")
    left_out = {f"unets.{i}.{key}" for i, name in enumerate(("unet", "srunet")) for key in unused(name)}
    assert weights.keys() == given.keys() - left_out
    assert all(torch.equal(value, given[name]) for name, value in weights.items())
    found = load_networks(weights, CrystensParameters(width=8), "cpu")
    x = torch.randn(1, 4, 16, 16, dtype=torch.float64)
    assert found["small"](x, torch.zeros(1, dtype=torch.float64)).shape == x.shape
    assert not found["large"].training


def test_a_checkpoint_of_the_first_network_where_both_are_wanted():
    first = {name: value for name, value in checkpoint().items() if name.startswith("unets.0.")}
    with pytest.raises(BadWeights, match=r"no network 1 .*that of large images"):
        from_published(first)
    with pytest.raises(BadWeights, match=r"those of that of videos, not the network of small images"):
        from_published(state("unet3d"))


def test_weights_of_a_model_of_which_a_network_is_missing_or_another():
    parameters = CrystensParameters(width=8)
    weights = join({name: network.state_dict() for name, network in networks(parameters).items()})
    first = {name: value for name, value in weights.items() if name.startswith("unets.0.")}
    with pytest.raises(BadWeights, match=r"no weights of the network of large images \('unets.1.…'\)"):
        load_networks(first, parameters, "cpu")
    swapped = {name.replace("unets.0.", "unets.1."): value for name, value in first.items()} | first
    with pytest.raises(BadWeights, match="crystens: weights that do not fit"):
        load_networks(swapped, parameters, "cpu")
