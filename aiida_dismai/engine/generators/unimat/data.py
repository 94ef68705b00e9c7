"""The structures that UniMat trains on: what is asked of them, and their videos."""

from __future__ import annotations

from ...structures import StructureSet
from ..unets.denoising import Pictures
from ..unets.structures import Coordinates
from .config import UnimatParameters
from .videos import Videos


def prepare(
    structures: StructureSet, validation: StructureSet | None, parameters: UnimatParameters
) -> tuple[Videos, Pictures]:
    """Check the structures, and return how they become videos, and the videos.

    Args:
        structures: training structures.
        validation: those kept aside.
        parameters: hyper-parameters.

    Raises:
        BadInput: see :func:`~..unets.structures.checked_coordinates`; or more elements than pixels.
    """
    why = "the frames of an element follow each other in UniMat's videos"
    found = Coordinates.of(structures, validation, parameters, "UniMat", why)
    videos = Videos.of(found.numbers, found.training, parameters.side, parameters.pixels)
    return videos, found.pictures(videos.encode)
