"""Group norm, scale and shift, SiLU: what lies between two convolutions, and most of what a block would keep.

Only the input is kept for the backward pass. A GPU computes the rest again; on a CPU, where the time goes into reading
and writing memory, forward and backward pass are written out: after the mean and the variance of each group all three
steps are one multiplication and one addition for each channel and the SiLU, of a few pixels at a time, which stay in
the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

silu_backward = torch.ops.aten.silu_backward.grad_input

#: Numbers that a CPU works on at once.
CHUNK = 2**16


def norm_silu(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float
) -> Tensor:
    """Return SiLU of (1 + scale) · norm(x) + shift, ``(B, rows, columns, C)``.

    Args:
        x: images, ``(B, rows, columns, C)``.
        groups: of channels, each normalised over all pixels.
        weight: of the norm, ``(C,)``.
        bias: of the norm, ``(C,)``.
        scale: of each image's channels, ``(B, 1, 1, C)``; None for zero.
        shift: the same.
        eps: added to the variance.
    """
    arguments = (x, groups, weight, bias, scale, shift, eps)
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        result: Tensor = _NormSilu.apply(*arguments)
        return result
    recomputed: Tensor = checkpoint(_plain, *arguments, use_reentrant=False, preserve_rng_state=False)
    return recomputed


def _plain(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float
) -> Tensor:
    x = functional.group_norm(x.permute(0, 3, 1, 2), groups, weight, bias, eps).permute(0, 2, 3, 1)
    return functional.silu(x if scale is None or shift is None else torch.addcmul(shift, x, 1 + scale))


class _NormSilu(torch.autograd.Function):
    """The same for a CPU: silu(factor · x + offset), factors and offsets of channels being ``(B, C)``.

    Sums are taken in float32 at least.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        groups: int,
        weight: Tensor,
        bias: Tensor,
        scale: Tensor | None,
        shift: Tensor | None,
        eps: float,
    ) -> Tensor:
        pixels = x.flatten(1, 2)
        dtype = torch.promote_types(x.dtype, torch.float32)
        mean, spread = _moments(pixels.to(dtype), groups, eps)
        factor, offset = weight / spread, bias - weight * mean / spread
        if scale is not None and shift is not None:
            more = 1 + scale.flatten(1).to(dtype)
            factor, offset = factor * more, offset * more + shift.flatten(1)
        out = torch.empty_like(pixels)
        for image, chunk in _chunks(pixels):
            before = torch.addcmul(offset[image], pixels[image, chunk], factor[image])
            torch.ops.aten.silu.out(before.to(x.dtype), out=out[image, chunk])
        ctx.save_for_backward(x, weight, bias, scale, mean, spread, factor, offset)
        ctx.groups = groups
        return out.view_as(x)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, scale, mean, spread, factor, offset = ctx.saved_tensors
        pixels, given = x.flatten(1, 2), gradient.flatten(1, 2)
        inner = torch.empty_like(pixels, dtype=factor.dtype)
        sums, products = torch.zeros_like(mean), torch.zeros_like(mean)
        for image, chunk in _chunks(pixels):
            values, change = pixels[image, chunk].to(factor.dtype), inner[image, chunk]
            before = torch.addcmul(offset[image], values, factor[image])
            silu_backward(given[image, chunk].to(factor.dtype), before, grad_input=change)
            sums[image] += change.sum(dim=0)
            products[image] += torch.mul(change, values, out=before).sum(dim=0)
        products = (products - mean * sums) / spread  # with the normalised image
        # the mean and the variance of a group depend on its pixels too
        count = pixels.shape[1] * pixels.shape[2] // ctx.groups
        both = (torch.stack([sums, products]) * (factor * spread)).unflatten(2, (ctx.groups, -1))
        shared = both.sum(dim=3, keepdim=True).expand_as(both).flatten(2)
        of_mean, of_spread = -shared / (count * spread)
        of_spread = of_spread / spread
        constant = of_mean - mean * of_spread
        for image, chunk in _chunks(pixels):
            linear = torch.addcmul(constant[image], pixels[image, chunk], of_spread[image])
            change = inner[image, chunk]
            torch.addcmul(linear, change, factor[image], out=change)
        of_scale = of_shift = None
        if scale is not None:
            of_scale = (weight * products + bias * sums).view_as(scale).to(scale.dtype)
            of_shift = sums.view_as(scale).to(scale.dtype)
            sums, products = (part * (1 + scale.flatten(1)) for part in (sums, products))
        of_weight, of_bias = (part.sum(dim=0).to(weight.dtype) for part in (products, sums))
        return inner.view_as(x).to(x.dtype), None, of_weight, of_bias, of_scale, of_shift, None


def _chunks(pixels: Tensor) -> Iterator[tuple[int, slice]]:
    """Return parts of images ``(B, pixels, C)``: the image, and which of its pixels."""
    size, count, channels = pixels.shape
    step = max(1, CHUNK // channels)
    for image in range(size):
        for start in range(0, count, step):
            yield image, slice(start, start + step)


def _moments(pixels: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel's group, ``(B, C)`` each."""

    def over_groups(channels: Tensor) -> Tensor:
        parts = channels.unflatten(1, (groups, -1))
        return parts.mean(dim=2, keepdim=True).expand_as(parts).flatten(1)

    mean = over_groups(pixels.mean(dim=1))
    squares = torch.zeros_like(mean)
    for image, chunk in _chunks(pixels):
        # torch.var over pixels, the slow axis in memory, takes nine times as long
        squares[image] += (pixels[image, chunk] - mean[image]).square_().sum(dim=0)
    return mean, torch.sqrt(over_groups(squares / pixels.shape[1]) + eps)
