"""CryinGAN: a Wasserstein GAN on fractional coordinates with a second critic on neighbour distances.

``config`` holds the hyper-parameters, ``data`` what the training structures must be, ``distances`` the
periodic neighbour distances, ``translations`` the augmentation, ``views`` what each critic sees, ``model`` the
networks, ``cgcnn`` the graph convolutional critic, ``losses`` what they minimise, ``train`` the loop and its
checkpoints, ``sample`` the generation. README.md says where it comes from and what differs.
"""

from __future__ import annotations

from pathlib import Path

from ..contract import GeneratorSpec

_HERE = "aiida_dismai.engine.generators.cryingan."

SPEC = GeneratorSpec(
    name="cryingan",
    summary="Wasserstein GAN on fractional coordinates, with a critic of neighbour distances; fixed cell and atoms",
    parameters=_HERE + "config:CryinganParameters",
    train=_HERE + "train:train",
    sample=_HERE + "sample:sample",
    parts=_HERE + "model:parts",
    readme=str(Path(__file__).with_name("README.md")),
    stage="stable",
    same_atoms=True,
    version=1,
)
