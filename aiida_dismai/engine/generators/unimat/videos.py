"""Structures as videos: a frame for each atom, in which the pixel of its element holds the fractional coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import Tensor

from ...errors import BadInput, BadWeights

#: What all three channels of a pixel hold where its element is not that of the atom.
ABSENT = -1.0
#: Values below this are read as absent: those that round to −1.
PRESENT = -0.5


@dataclass(frozen=True)
class Videos:
    """How structures with the same atoms become videos ``(B, 3, n, side, side)``, and how they are read from them.

    Attributes:
        side: of the square frames, in pixels.
        pixels: the pixel of each atom's element, row · side + column, ``(n,)`` int64.
        minimum: smallest fractional coordinates of the training set, ``(3,)`` float64.
        maximum: largest ones.
    """

    side: int
    pixels: Tensor
    minimum: Tensor
    maximum: Tensor

    @classmethod
    def of(
        cls, numbers: NDArray[Any], fractional: NDArray[np.float64], side: int, pixels: Mapping[str, Sequence[int]]
    ) -> Videos:
        """Return the videos of a training set.

        Args:
            numbers: atomic numbers, ``(n,)``.
            fractional: coordinates of all training structures, ``(M, n, 3)``.
            side: of the frames.
            pixels: row and column by element; for none, see :func:`element_pixels`.

        Raises:
            BadInput: elements that have no pixel.
        """
        minimum, maximum = (torch.from_numpy(bound(fractional, axis=(0, 1))) for bound in (np.min, np.max))
        return cls(side, _places(numbers, element_pixels(numbers, side, pixels)), minimum, maximum)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], numbers: NDArray[Any], side: int) -> Videos:
        """Return what :meth:`config` described.

        Args:
            config: of a trained model.
            numbers: atomic numbers of the structures to be read, ``(n,)``.
            side: of the frames.

        Raises:
            BadWeights: an entry is missing or of another kind, or an element has no pixel in it.
        """
        try:
            values = [[float(value) for value in config[name]] for name in ("minimum", "maximum")]
            bounds = [torch.tensor(row, dtype=torch.float64) for row in values]
            if any(bound.shape != (3,) or not torch.isfinite(bound).all() for bound in bounds):
                raise ValueError
            pixels = element_pixels(numbers, side, {str(name): list(pixel) for name, pixel in config["pixels"].items()})
            return cls(side, _places(numbers, pixels), *bounds)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadWeights(
                "unimat: config.json lacks 'minimum', 'maximum' or 'pixels' of the training structures; train again"
            ) from None
        except BadInput as error:
            raise BadWeights(f"unimat: the weights do not belong to the template: {error}") from error

    def config(self, numbers: NDArray[Any]) -> dict[str, Any]:
        """Return plain numbers from which :meth:`from_config` makes this for the same elements."""
        places = {
            chemical_symbols[int(number)]: divmod(place, self.side)
            for number, place in zip(numbers, self.pixels.tolist(), strict=True)
        }
        return {
            "minimum": self.minimum.tolist(),
            "maximum": self.maximum.tolist(),
            "pixels": {name: list(pixel) for name, pixel in places.items()},
        }

    def encode(self, fractional: Tensor) -> Tensor:
        """Return videos ``(B, 3, n, side, side)``, in [0, 1] where elements are, of coordinates ``(B, n, 3)``."""
        device = fractional.device
        minimum, span = self.minimum.to(device), (self.maximum - self.minimum).to(device)
        scaled = (fractional - minimum) / torch.where(span > 0, span, 1.0)
        size, n_atoms, _ = scaled.shape
        videos = torch.full((size, n_atoms, self.side**2, 3), ABSENT, dtype=scaled.dtype, device=device)
        videos.scatter_(2, self.pixels.to(device)[None, :, None, None].expand(size, -1, 1, 3), scaled[:, :, None])
        return videos.unflatten(2, (self.side, self.side)).permute(0, 4, 1, 2, 3)

    def decode(self, videos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read videos ``(B, 3, n, side, side)``, on the CPU.

        Returns:
            Fractional coordinates from the pixels of the right elements, not wrapped, ``(B, n, 3)`` float64; whether
            all other pixels of a frame are absent, ``(B, n)``; whether the right one is present, ``(B, n)``. A pixel
            is absent if at least one of its channels rounds to −1.
        """
        pixels = videos.cpu().double().permute(0, 2, 3, 4, 1).flatten(2, 3)
        places = self.pixels[None, :, None].expand(len(pixels), -1, 1)
        scaled = pixels.take_along_dim(places[..., None], dim=2)[:, :, 0]
        present = (pixels >= PRESENT).all(dim=3)
        right = present.take_along_dim(places, dim=2)[:, :, 0]
        others = present.scatter(2, places, False).any(dim=2)
        return scaled * (self.maximum - self.minimum) + self.minimum, ~others, right


def element_pixels(numbers: NDArray[Any], side: int, given: Mapping[str, Sequence[int]]) -> dict[int, int]:
    """Return the pixel of each element, row · side + column.

    Args:
        numbers: atomic numbers of the atoms.
        side: of the frames.
        given: row and column by element; if empty, elements in the order of their atomic numbers get one pixel after
            the other, row by row.

    Raises:
        BadInput: more elements than pixels, an element without a pixel, a pixel outside the frame, two elements with
            one pixel.
    """
    elements = sorted({int(number) for number in numbers})
    if len(elements) > side**2:
        raise BadInput(
            f"unimat: {len(elements)} elements do not fit into frames of {side} × {side} pixels; give a larger side, a "
            "multiple of 4"
        )
    if not given:
        return {number: place for place, number in enumerate(elements)}
    pixels: dict[int, int] = {}
    for number in elements:
        name = chemical_symbols[number]
        if name not in given:
            raise BadInput(f"unimat: pixels: {name} has no pixel; give row and column of every element")
        row, column = given[name]
        if not (0 <= row < side and 0 <= column < side):
            raise BadInput(
                f"unimat: pixels: {name} at [{row}, {column}] is outside of frames of {side} × {side} pixels"
            )
        pixels[number] = row * side + column
        if len(set(pixels.values())) < len(pixels):
            raise BadInput(f"unimat: pixels: {name} and another element have the pixel [{row}, {column}]")
    return pixels


def _places(numbers: NDArray[Any], pixels: Mapping[int, int]) -> Tensor:
    return torch.tensor([pixels[int(number)] for number in numbers])
