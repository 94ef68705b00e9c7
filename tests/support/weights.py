"""Weights of trained models: as nodes without a network, as tasks leave them, and whether two are the same."""

import tempfile
from pathlib import Path

import numpy as np

from aiida_dismai.data import GeneratorData
from aiida_dismai.engine.structures import StructureSet, write_npz

ELEMENTS = ("Li", "O", "Cl", "Sc", "Co", "Cu")


def weights(cls, name="some", **config):
    """Return a node of weights, of no network.

    Args:
        cls: GeneratorData or PotentialData.
        name: what tells its content from that of other nodes.
        config: what differs from the configuration.
    """
    given = {key: {} for key in cls.FORMAT.keys}
    given |= {"data_std": 1.0, "model_version": 1, "architecture": "m3gnet", "model": "cryingan"}
    given["elements"] = list(ELEMENTS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "weights.safetensors").write_bytes(f"weights of {name}".encode())
        if cls is GeneratorData:
            template = StructureSet.from_uniform([3, 3, 27, 8, 8, 8], np.zeros((1, 6, 3)), np.diag([5.0, 6.0, 7.0]))
            write_npz(template, folder / "template.npz")
        cls.FORMAT.write_config(folder, given | config)
        return cls(folder)


def weights_of(results):
    """Return the weights that a training of a generative model left in its folder, by name."""
    from aiida_dismai.engine.checkpoint import load_weights

    return load_weights(results["folder"] / "generator" / "weights.safetensors")


def same_weights(first, second):
    """Say whether two networks have the same weights, bit by bit, under the same names."""
    import torch

    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
