"""Structures as images: a header of quantities of each atom, and a block of pairs with differences of coordinates.

Line r of the header (row and column r, all four channels) holds atomic numbers (0), fractional x, y, z (1–3), cell
lengths (4–6) and angles (7–9) and the space group (10). Cell and space group are the same in all structures, so that
their lines are empty, as those of the padding and the corner. The block holds the norm of the fractional difference of
two atoms in the first channel, and the difference, row minus column, without periodic images, in the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import BadInput, BadWeights
from ..unets.networks import SuperResolutionUNet

HEADER = 11
SIDE_MULTIPLE = SuperResolutionUNet.SIDE_MULTIPLE
CHANNELS = 4
#: What has a minimum and a maximum, both of the training set.
QUANTITIES = ("species", "x", "y", "z", "norm", "dx", "dy", "dz")
#: What is said of the image of a structure that was generated, in this order; see :meth:`Images.decode`.
STATISTICS = ("species_accuracy", "cell_lengths", "cell_angles", "space_group", "coordinates", "pair_distances")


@dataclass(frozen=True)
class Images:
    """How structures with the same atoms become images ``(B, 4, S, S)`` in [0, 1], and how they are read from them.

    Attributes:
        padding: empty lines between header and pairs.
        numbers: atomic numbers, ``(n,)`` float64.
        minimum: of each of :data:`QUANTITIES` in the training set, ``(8,)`` float64.
        maximum: the same.
    """

    padding: int
    numbers: Tensor
    minimum: Tensor
    maximum: Tensor

    @classmethod
    def of(cls, numbers: NDArray[Any], fractional: NDArray[np.float64], padding: int | str) -> Images:
        """Return the images of a training set.

        Args:
            numbers: atomic numbers, ``(n,)``.
            fractional: coordinates of all training structures, ``(M, n, 3)``.
            padding: lines, or ``auto``.

        Raises:
            BadInput: the side is no multiple of 8.
        """
        low, high = fractional.min(axis=(0, 1)), fractional.max(axis=(0, 1))
        widest = np.ptp(fractional, axis=1).max(axis=0)
        farthest = max(_largest_norm(structure) for structure in fractional)
        minimum = np.concatenate([[numbers.min()], low, [0.0], -widest])
        maximum = np.concatenate([[numbers.max()], high, [farthest], widest])
        lines = find_padding(len(numbers), padding)
        atoms = torch.from_numpy(numbers.astype(np.float64))
        return cls(lines, atoms, torch.from_numpy(minimum), torch.from_numpy(maximum))

    @classmethod
    def from_config(cls, config: Mapping[str, Any], numbers: NDArray[Any]) -> Images:
        """Return what :meth:`config` described.

        Args:
            config: of a trained model.
            numbers: atomic numbers of the structures to be read, ``(n,)``.

        Raises:
            BadWeights: an entry is missing or of another kind, or belongs to another number of atoms.
        """
        try:
            padding = config["padding"]
            bounds = [
                torch.tensor([float(config[name][key]) for key in QUANTITIES], dtype=torch.float64)
                for name in ("minimum", "maximum")
            ]
            if not all(bool(torch.isfinite(bound).all()) for bound in bounds) or not isinstance(padding, int):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise BadWeights(
                "crystens: config.json lacks 'padding', 'minimum' or 'maximum' of the training structures; train again"
            ) from None
        try:
            padding = find_padding(len(numbers), padding)
        except BadInput as error:
            raise BadWeights(f"crystens: the weights do not belong to the template: {error}") from error
        return cls(padding, torch.from_numpy(numbers.astype(np.float64)), *bounds)

    def config(self) -> dict[str, Any]:
        """Return plain numbers from which :meth:`from_config` makes this for the same atoms."""
        return {
            "padding": self.padding,
            "minimum": dict(zip(QUANTITIES, self.minimum.tolist(), strict=True)),
            "maximum": dict(zip(QUANTITIES, self.maximum.tolist(), strict=True)),
        }

    @property
    def first(self) -> int:
        """The line of the first atom."""
        return HEADER + self.padding

    @property
    def side(self) -> int:
        """The side of an image, S."""
        return self.first + len(self.numbers)

    def encode(self, fractional: Tensor) -> Tensor:
        """Return images ``(B, 4, S, S)`` of coordinates ``(B, n, 3)``; those of the training set are in [0, 1]."""
        low, span = self.minimum.to(fractional.device), (self.maximum - self.minimum).to(fractional.device)
        scale = torch.where(span > 0, span, 1.0)
        size, start = len(fractional), self.first
        images = fractional.new_zeros(size, CHANNELS, self.side, self.side)
        species = self.numbers.to(fractional.device).expand(size, 1, -1)
        lines = torch.cat([species, fractional.transpose(1, 2)], dim=1)
        lines = ((lines - low[:4, None]) / scale[:4, None])[:, None]
        images[:, :, :4, start:] = lines
        images[:, :, start:, :4] = lines.transpose(2, 3)
        differences = fractional[:, :, None] - fractional[:, None]
        pairs = torch.cat([differences.norm(dim=-1, keepdim=True), differences], dim=-1)
        images[:, :, start:, start:] = ((pairs - low[4:]) / scale[4:]).permute(0, 3, 1, 2)
        return images

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Read images ``(B, 4, S, S)``.

        Returns:
            Fractional coordinates, not wrapped, ``(B, n, 3)`` float64: each atom's is the mean over all atoms of their
            coordinate in the header minus the difference to them in the block. And the :data:`STATISTICS` of each
            image, ``(B, 6)``: share of atoms with the right atomic number; mean absolute values of the lines of
            lengths, angles and space group, which should be zero; mean absolute difference of the coordinates that are
            averaged from their mean, and of the first channel's distances from those of the final coordinates.
        """
        images, start = images.double(), self.first
        low, span = self.minimum.to(images.device), (self.maximum - self.minimum).to(images.device)
        rows, columns = images[:, :, :HEADER, start:], images[:, :, start:, :HEADER].transpose(2, 3)
        lines = torch.cat([rows, columns], dim=1)[:, :, :4].mean(dim=1) * span[:4, None] + low[:4, None]
        header = lines[:, 1:].transpose(1, 2)
        pairs = images[:, :, start:, start:].permute(0, 2, 3, 1) * span[4:] + low[4:]
        differences = (pairs[..., 1:] - pairs[..., 1:].transpose(1, 2)) / 2
        votes = header[:, :, None] - differences
        fractional = votes.mean(dim=1)
        distances = (fractional[:, :, None] - fractional[:, None]).norm(dim=-1)
        right = (lines[:, 0].round() == self.numbers.to(images.device)).double().mean(dim=1)
        absolute = torch.cat([rows, columns], dim=1).abs()
        constant = [absolute[:, :, block].mean(dim=(1, 2, 3)) for block in (slice(4, 7), slice(7, 10), slice(10, 11))]
        spread = (votes - fractional[:, None]).abs().mean(dim=(1, 2, 3))
        return fractional, torch.stack(
            [right, *constant, spread, (pairs[..., 0] - distances).abs().mean(dim=(1, 2))], dim=1
        )


def find_padding(n_atoms: int, padding: int | str) -> int:
    """Return the number of empty lines.

    Raises:
        BadInput: the side of the image is no multiple of 8; names the paddings with which it is.
    """
    right = -(HEADER + n_atoms) % SIDE_MULTIPLE
    if isinstance(padding, str):
        return right
    if (padding - right) % SIDE_MULTIPLE:
        raise BadInput(
            f"crystens: padding {padding} gives images of {HEADER + padding + n_atoms} pixels for {n_atoms} atoms, no "
            f"multiple of {SIDE_MULTIPLE}, which the network halves three times; give 'auto' or {right}, "
            f"{right + SIDE_MULTIPLE}, …"
        )
    return padding


def _largest_norm(fractional: NDArray[np.float64]) -> float:
    """Return the largest norm of a difference of coordinates ``(n, 3)``."""
    squares = ((fractional[:, None] - fractional[None]) ** 2).sum(axis=2)
    return float(np.sqrt(squares.max()))
