"""Small parts of the U-Nets: convolutions, norms, changes of the side.

Tensors are ``(B, rows, columns, channels)``. A video is an image whose square frames lie one below the other,
``(B, F·L, L, channels)``: what looks at one pixel, or at all of them, need not know of frames; what looks at
neighbouring pixels does so within each frame (:func:`per_frame`). Weights have the published shapes: those of a video's
kernels have an axis of length one for the frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 8
EPS = 1e-5


def per_frame(x: Tensor) -> Tensor:
    """Return a video ``(B, F·L, L, C)`` as images of its frames, ``(B·F, L, L, C)``."""
    side = x.shape[2]
    return x.reshape(-1, side, side, x.shape[3])


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int = 1) -> Tensor:
    """Convolve images ``(B, H, W, C)`` with zeros around them, so that their sides stay."""
    padding, images = weight.shape[-1] // 2, x.permute(0, 3, 1, 2)
    if padding > 1:  # on a CPU, gradients of large kernels take 40 times as long where channels come last in memory
        images = images.contiguous()
    return functional.conv2d(images, weight, bias, padding=padding, groups=groups).permute(0, 2, 3, 1)


class Conv(nn.Conv2d):
    """Convolution that keeps the side, within each frame of a video."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True, groups: int = 1) -> None:
        """Build it with torch's initial weights."""
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, rows, columns, outputs)``."""
        return convolve(x, self.weight, self.bias, self.groups)


class FrameConv(Conv):
    """The same within each frame of a video; its weight has an axis for the frames, of length one."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        """Build it with torch's initial weights."""
        super().__init__(inputs, outputs, kernel)
        self.weight = nn.Parameter(self.weight.detach()[:, :, None])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, F·L, L, outputs)``."""
        return convolve(per_frame(x), self.weight[:, :, 0], self.bias).reshape(*x.shape[:3], -1)


class Pointwise(nn.Linear):
    """Convolution with a kernel of one point: a linear layer over the channels."""

    def __init__(self, inputs: int, outputs: int, axes: int, *, bias: bool = True) -> None:
        """Build it with torch's initial weights; ``axes`` is the number of kernel axes that its weight has."""
        super().__init__(inputs, outputs, bias=bias)
        self.weight = nn.Parameter(self.weight.detach().reshape(outputs, inputs, *[1] * axes))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(..., outputs)``."""
        return functional.linear(x, self.weight.flatten(1), self.bias)


class Gain(nn.Module):
    """Layer norm over the last axis with a gain and no bias."""

    def __init__(self, *shape: int, value: float = 1.0) -> None:
        """Build it with every gain ``value``; all axes of ``shape`` but one have length one."""
        super().__init__()
        self.g = nn.Parameter(torch.full(shape, value))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised features, ``(..., d)``."""
        return functional.layer_norm(x, x.shape[-1:], self.g.flatten(), eps=EPS)


class CrossEmbed(nn.Module):
    """Convolutions of three kernels side by side on the image that comes in."""

    def __init__(self, inputs: int, outputs: int, video: bool, kernels: Sequence[int] = (3, 7, 15)) -> None:
        """Give half of the channels to the first kernel, a quarter to the second, the rest to the third."""
        super().__init__()
        widths = [outputs // 2, outputs // 4]
        widths.append(outputs - sum(widths))
        conv = FrameConv if video else Conv
        self.convs = nn.ModuleList(conv(inputs, width, kernel) for width, kernel in zip(widths, kernels, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, rows, columns, outputs)``."""
        return torch.cat([conv(x) for conv in self.convs], dim=-1)


class TwoKernels(nn.Module):
    """Sum of a 3 × 3 and a 1 × 1 convolution: the last level's change of width where it keeps the side."""

    def __init__(self, inputs: int, outputs: int, video: bool) -> None:
        """Build both."""
        super().__init__()
        conv = FrameConv if video else Conv
        self.fns = nn.ModuleList([conv(inputs, outputs, 3), Pointwise(inputs, outputs, 3 if video else 2)])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, rows, columns, outputs)``."""
        return torch.add(*[fn(x) for fn in self.fns])


class Down(nn.Sequential):
    """Halve the side: four neighbouring pixels become one with four times the channels, then a linear layer."""

    def __init__(self, inputs: int, outputs: int, video: bool) -> None:
        """Build it."""
        super().__init__(nn.Identity(), Pointwise(4 * inputs, outputs, 3 if video else 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, rows / 2, columns / 2, outputs)``."""
        size, rows, columns, channels = x.shape
        pixels = x.reshape(size, rows // 2, 2, columns // 2, 2, channels).permute(0, 1, 3, 5, 2, 4)
        result: Tensor = self[1](pixels.reshape(size, rows // 2, columns // 2, 4 * channels))
        return result


class Up(nn.Module):
    """Double the side: a linear layer to four times the channels, which become four neighbouring pixels."""

    def __init__(self, inputs: int, outputs: int, video: bool) -> None:
        """Build it; the four pixels that come from one start with the same weights, so as to be equal."""
        super().__init__()
        linear = Pointwise(inputs, 4 * outputs, 3 if video else 2)
        with torch.no_grad():
            bound = math.sqrt(6 / inputs)
            filters = torch.empty(outputs, *linear.weight.shape[1:]).uniform_(-bound, bound)
            linear.weight.copy_(filters.repeat_interleave(4, dim=0))
            linear.bias.zero_()
        self.net = nn.Sequential(linear, nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 2 rows, 2 columns, outputs)``."""
        size, rows, columns, _ = x.shape
        pixels = self.net(x).reshape(size, rows, columns, -1, 2, 2).permute(0, 1, 4, 2, 5, 3)
        return pixels.reshape(size, 2 * rows, 2 * columns, -1)
