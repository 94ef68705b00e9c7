"""Weights of the published networks: taken over from a state dictionary, by the names that they have there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...checkpoint import load_weights
from ...errors import BadWeights
from .networks import SuperResolutionUNet, UNet, VideoUNet

#: Tensors for text, which the published networks hold and never use.
TEXT = ("attn_pool.", "null_text_embed", "null_text_hidden")
#: A bias that attention without positions holds and never uses; that along frames does use it.
UNUSED_BIAS = "null_attn_bias"
#: Names in a checkpoint of several networks.
OF_SEVERAL = re.compile(r"unets\.\d+\.|\d+\.ema_model\.")
NAMES = {UNet: "the network of small images", SuperResolutionUNet: "that of large images", VideoUNet: "that of videos"}


def from_published(
    state: Mapping[str, Tensor] | Path | str, kind: type[UNet], channels: int = 4, number: int = 0
) -> dict[str, Tensor]:
    """Return the weights of one network of a published checkpoint, under the names that they have here.

    Args:
        state: a state dictionary, or a safetensors file with one. Names begin with ``unets.0.`` or ``unets.1.`` as in
            the model of a checkpoint, with ``0.ema_model.`` or ``1.ema_model.`` as in its averages (which generated as
            published), or are those of one network alone.
        kind: the network wanted.
        channels: of its pictures.
        number: which of several networks in the checkpoint it is.

    Returns:
        A state dictionary of ``kind`` at the width of the weights; the tensors that are never used are left out.

    Raises:
        BadWeights: the file is none or a pickle, the weights are of another network, or of one that was never trained.
    """
    if not isinstance(state, Mapping):
        state = load_weights(state)
    found = dict(state)
    if any(OF_SEVERAL.match(name) for name in state):
        prefixes = f"unets.{number}.", f"{number}.ema_model."
        found = {
            name.removeprefix(prefix): value
            for prefix in prefixes
            for name, value in state.items()
            if name.startswith(prefix)
        }
        if not found:
            raise BadWeights(
                f"published weights: the checkpoint holds no network {number} ('{prefixes[0]}…'), {NAMES[kind]}; "
                "give one that was saved after the training of that network"
            )
    expected = _shapes(kind, channels, found)
    ours = {name: value for name, value in found.items() if name in expected or not _is_unused(name)}
    _check(ours, expected, kind)
    if number and not bool(ours["final_conv.weight"].any()):
        raise BadWeights(
            f"published weights: network {number}, {NAMES[kind]}, is as it was before its training (its last "
            "convolution is zero): this is a checkpoint of the first network; give one of the second"
        )
    return {name: value.detach().clone() for name, value in ours.items()}


def _is_unused(name: str) -> bool:
    return name.startswith(TEXT) or name.endswith(UNUSED_BIAS)


def _shapes(kind: type[UNet], channels: int, found: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Return the shapes of a network's weights at the width of those that were found."""
    if "norm_cond.weight" not in found:
        raise BadWeights(
            "published weights: no 'norm_cond.weight' among them, which every U-Net has; give the state dictionary of "
            f"{NAMES[kind]}"
        )
    with torch.device("meta"):
        network = kind(channels, len(found["norm_cond.weight"]))
    return {name: value.shape for name, value in network.state_dict().items()}


def _check(ours: Mapping[str, Tensor], expected: Mapping[str, torch.Size], kind: type[UNet]) -> None:
    """Refuse the weights of another network, and say which it is."""
    lacking = sorted(expected.keys() - ours.keys())
    unknown = sorted(ours.keys() - expected.keys())
    odd = sorted(name for name in expected.keys() & ours.keys() if expected[name] != ours[name].shape)
    if not (lacking or unknown or odd):
        return
    what = []
    for label, names in (("lacks", lacking), ("has besides", unknown), ("has other shapes of", odd)):
        if names:
            what.append(f"{label} {len(names)} ('{names[0]}', …)" if len(names) > 1 else f"{label} '{names[0]}'")
    raise BadWeights(
        f"published weights: they are those of {_whose(ours)}, not {NAMES[kind]}: of its tensors it {', '.join(what)}"
    )


def _whose(ours: Mapping[str, Tensor]) -> str:
    if any(name.startswith("to_lowres_time_") for name in ours):
        return NAMES[SuperResolutionUNet]
    if any(name.startswith("mid_temporal_") for name in ours):
        return NAMES[VideoUNet]
    return NAMES[UNet] if "downs.0.3.layers.0.0.to_q.1.weight" in ours else "another network"
