"""DiffCSP: diffusion of fractional coordinates, and of the lattice if asked for, for given species.

``config`` holds the hyper-parameters, ``noise`` the schedules and the score of the wrapped normal distribution,
``pairs`` the pairs of atoms and their Fourier features, ``messages`` the messages of a layer, ``model`` the network
CSPNet, ``losses`` what it minimises, ``train`` and ``sample`` the tasks. README.md says where it comes from and what
differs.
"""

from __future__ import annotations

from pathlib import Path

from ..contract import GeneratorSpec

_HERE = "aiida_dismai.engine.generators.diffcsp."

SPEC = GeneratorSpec(
    name="diffcsp",
    summary="diffusion of fractional coordinates on a fully connected periodic graph; lattice given or diffused",
    parameters=_HERE + "config:DiffcspParameters",
    train=_HERE + "train:train",
    sample=_HERE + "sample:sample",
    parts=_HERE + "model:parts",
    readme=str(Path(__file__).with_name("README.md")),
    stage="experimental",
    same_atoms=False,
    version=1,
)
