"""Every atom is drawn from a Gaussian about its mean place, independently of all others.

The simplest model that one can learn from a data set of equal atoms in one cell, and so a floor for others.
This module is imported on the AiiDA host as well: no torch here.
"""

from pydantic import Field

from aiida_dismai.engine.generators.contract import GeneratorSpec
from aiida_dismai.engine.parameters import Parameters


class IndependentAtomsParameters(Parameters):
    """Hyper-parameters."""

    scale: float = Field(1.0, ge=0, le=10, description="factor on the learnt standard deviations; 0 repeats the mean")


SPEC = GeneratorSpec(
    name="independent-atoms",
    summary="each atom from a Gaussian about its mean place; an example of a foreign model",
    parameters="independent_atoms:IndependentAtomsParameters",
    train="independent_atoms.model:train",
    sample="independent_atoms.model:sample",
    parts="independent_atoms.model:parts",
)
