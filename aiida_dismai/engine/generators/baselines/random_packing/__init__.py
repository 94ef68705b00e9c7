"""The model ``random``: random packing at the minimum distances of the data, in their cells, with their atoms.

``config`` holds the parameters, ``frames`` the cells, atoms and occupied ranges, ``contacts`` the minimum distances,
``lattice`` finds the sites that all structures of an alloy share, ``packing`` packs, ``train`` reads all of it off the
training structures, ``sample`` generates. README.md says why and what to expect.
"""

from __future__ import annotations

from pathlib import Path

from ...contract import GeneratorSpec

_HERE = "aiida_dismai.engine.generators.baselines.random_packing."

SPEC = GeneratorSpec(
    name="random",
    summary="baseline without learning, the floor: random packing at the data's minimum distances, or random species",
    parameters=_HERE + "config:RandomParameters",
    train=_HERE + "train:train",
    sample=_HERE + "sample:sample",
    readme=str(Path(__file__).with_name("README.md")),
    stage="stable",
    same_atoms=False,
    version=1,
)
