"""The structures that UniMat trains on: what is asked of them, and their videos."""

from __future__ import annotations

from ...structures import StructureSet
from ..unets.augmentation import Shuffles
from ..unets.denoising import Pictures
from ..unets.structures import checked_coordinates
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
    training, held_out = checked_coordinates(structures, validation, "UniMat", why)
    videos = Videos.of(structures.numbers[structures.atoms_of(0)], training, parameters.side, parameters.pixels)
    return videos, Pictures(videos.encode, training, held_out, Shuffles.of(structures, parameters))
