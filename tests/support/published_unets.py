"""The rule that filled the published networks of tests/data/published/unets, and ours filled by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from aiida_dismai.engine.generators.unets.networks import SuperResolutionUNet, UNet, VideoUNet

FOLDER = Path(__file__).parents[1] / "data" / "published" / "unets"
NETWORKS = {"unet": (UNet, 4), "srunet": (SuperResolutionUNet, 4), "unet3d": (VideoUNet, 3)}


def rule(k, shape):
    """Return the numbers between -1 and 1 of an integer, float64."""
    j = np.arange(int(np.prod(shape)), dtype=np.int64)
    v = (7919 * j * j + 104729 * (k + 1) * j + 32452843 * (k + 1)) % 999983
    return torch.from_numpy(((2 * v + 1 - 999983) / 999983).reshape(shape))


def uniform(q, *shape):
    return rule(100000 + q, shape)


def normal(q, *shape):
    return 3**0.5 * uniform(q, *shape)


def parameters(name):
    """Return name, shape at width 64, shape at width 8, initial value and use of every published weight."""
    return json.loads((FOLDER / f"parameters_{name}.json").read_text())


def state(name):
    """Return the published weights of the rule at width 8, those that are never used among them."""
    weights = {}
    for k, (key, _, shape, _, _) in enumerate(parameters(name)):
        values, last = rule(k, shape), key.rsplit(".", 1)[-1]
        if last in ("g", "q_scale", "k_scale") or (last == "weight" and len(shape) == 1):
            values = 1 + values / 4
        elif last in ("null_kv", "null_attn_bias", "latents", "null_text_embed", "null_text_hidden", "weights"):
            pass
        else:
            values = values / 4 if len(shape) == 1 else values * (3 * shape[0] / np.prod(shape)) ** 0.5
        weights[key] = values
    return weights


def unused(name):
    return {key for key, *_, used in parameters(name) if not used}


def network(name, dtype=torch.float64):
    """Return our network with the weights of the rule, in evaluation mode."""
    kind, channels = NETWORKS[name]
    found = kind(channels, 8).to(torch.float64)
    left_out = unused(name)
    found.load_state_dict({key: value for key, value in state(name).items() if key not in left_out})
    return found.to(dtype).eval()


def read(name):
    return {key: torch.from_numpy(value) for key, value in np.load(FOLDER / f"{name}.npz").items()}
