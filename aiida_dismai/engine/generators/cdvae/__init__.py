"""CDVAE: a variational autoencoder of crystals whose decoder denoises coordinates.

``config`` holds the hyper-parameters, ``data`` what the training structures must be, ``bessel`` and ``dimenet`` the
encoder, ``gemnet`` with its ``gemnet_*`` modules, ``basis`` and ``scale_factor`` the decoder, ``scale_fitting`` finds
its scale factors, ``model`` is the whole network, ``losses`` what it minimises, ``train`` its training and ``sample``
the generation. README.md says where it comes from and what differs.
"""

from __future__ import annotations

from pathlib import Path

from ..contract import GeneratorSpec

_HERE = "aiida_dismai.engine.generators.cdvae."

SPEC = GeneratorSpec(
    name="cdvae",
    summary="variational autoencoder with score-based decoder (DimeNet++, GemNet-T); lattice and composition by heads",
    parameters=_HERE + "config:CdvaeParameters",
    train=_HERE + "train:train",
    sample=_HERE + "sample:sample",
    parts=_HERE + "model:parts",
    readme=str(Path(__file__).with_name("README.md")),
    stage="experimental",
    same_atoms=False,
    version=1,
)
