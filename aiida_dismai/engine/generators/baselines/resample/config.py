"""Parameters of the model ``resample``."""

from __future__ import annotations

from ....parameters import Parameters


class ResampleParameters(Parameters):
    """The model ``resample`` has nothing to choose."""
