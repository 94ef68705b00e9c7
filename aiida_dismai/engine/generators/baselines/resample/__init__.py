"""The model ``resample``: held-out structures of the same source, given back in random order.

``config`` holds the (empty) parameters, ``train`` stores the validation structures, ``sample`` gives them back.
README.md says why.
"""

from __future__ import annotations

from pathlib import Path

from ...contract import GeneratorSpec

_HERE = "aiida_dismai.engine.generators.baselines.resample."

SPEC = GeneratorSpec(
    name="resample",
    summary="baseline without learning, the ceiling: held-out structures of the same source, from the input validation",
    parameters=_HERE + "config:ResampleParameters",
    train=_HERE + "train:train",
    sample=_HERE + "sample:sample",
    readme=str(Path(__file__).with_name("README.md")),
    stage="stable",
    same_atoms=False,
    version=1,
)
