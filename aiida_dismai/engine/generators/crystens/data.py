"""The structures that CrysTens trains on: what is asked of them, and their images."""

from __future__ import annotations

from torch import Tensor

from ...structures import StructureSet
from ..unets.denoising import Pictures
from ..unets.structures import Coordinates
from .config import CrystensParameters
from .images import Images


def prepare(
    structures: StructureSet, validation: StructureSet | None, parameters: CrystensParameters
) -> tuple[Images, Pictures]:
    """Check the structures, and return how they become images, and the images.

    Args:
        structures: training structures.
        validation: those kept aside.
        parameters: hyper-parameters.

    Raises:
        BadInput: see :func:`~..unets.structures.checked_coordinates`; or a padding with which the side is no multiple
            of 8.
    """
    why = "its images are decoded with the species of the template in their order"
    found = Coordinates.of(structures, validation, parameters, "CrysTens", why)
    images = Images.of(found.numbers, found.training, parameters.padding)
    return images, found.pictures(Centred(images))


class Centred:
    """Images in the range of the networks, [−1, 1]; an object, so that other processes can be given it."""

    def __init__(self, images: Images) -> None:
        """Take the images in [0, 1]."""
        self.images = images

    def __call__(self, fractional: Tensor) -> Tensor:
        """Return images ``(B, 4, S, S)`` of coordinates ``(B, n, 3)``."""
        return 2 * self.images.encode(fractional) - 1
