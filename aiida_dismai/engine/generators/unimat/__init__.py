"""UniMat: diffusion of videos whose frames are atoms; a pixel of a frame stands for an element.

``config`` holds the hyper-parameters, ``videos`` how structures become videos and are read from them, ``data`` the
checks of the training set, ``model`` the network (that of ``unets``) and published weights, ``train`` and ``sample``
the tasks. README.md says where it comes from and what differs.
"""

from __future__ import annotations

from pathlib import Path

from ..contract import GeneratorSpec

_HERE = "aiida_dismai.engine.generators.unimat."

SPEC = GeneratorSpec(
    name="unimat",
    summary="diffusion of videos with a frame for each atom, by a 3D U-Net; species and cell of the template",
    parameters=_HERE + "config:UnimatParameters",
    train=_HERE + "train:train",
    sample=_HERE + "sample:sample",
    parts=_HERE + "model:parts",
    statistics=_HERE + "sample:statistics",
    readme=str(Path(__file__).with_name("README.md")),
    stage="experimental",
    same_atoms=True,
    version=1,
)
