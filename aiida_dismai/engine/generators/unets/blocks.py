"""Residual and transformer blocks of the U-Nets."""

from __future__ import annotations

from torch import Tensor, nn

from .activation import norm_silu
from .attention import CrossAttention, LinearAttention, SelfAttention
from .layers import EPS, GROUPS, Conv, Gain, Pointwise
from .temporal import PseudoConv, TokenShift


class Block(nn.Module):
    """Group norm, scale and shift where given, SiLU, convolution."""

    def __init__(self, inputs: int, outputs: int, video: bool) -> None:
        """Build it."""
        super().__init__()
        self.groupnorm = nn.GroupNorm(GROUPS, inputs, eps=EPS)
        self.project = PseudoConv(inputs, outputs) if video else Conv(inputs, outputs, 3)

    def forward(self, x: Tensor, scale_shift: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return ``(B, rows, columns, outputs)``; scale and shift are ``(B, 1, 1, inputs)``."""
        norm, (scale, shift) = self.groupnorm, scale_shift or (None, None)
        result: Tensor = self.project(norm_silu(x, norm.num_groups, norm.weight, norm.bias, scale, shift, norm.eps))
        return result


class Gate(nn.Module):
    """A number between 0 and 1 for each channel, from a weighted mean over all pixels."""

    def __init__(self, width: int, axes: int) -> None:
        """Build it; ``axes`` as in :class:`Pointwise`."""
        super().__init__()
        hidden = max(3, width // 2)
        self.to_k = Pointwise(width, 1, axes)
        self.net = nn.Sequential(
            Pointwise(width, hidden, axes), nn.SiLU(), Pointwise(hidden, width, axes), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 1, 1, channels)``."""
        pixels = x.flatten(1, 2)
        weights = self.to_k(pixels).softmax(dim=1)
        result: Tensor = self.net((weights.transpose(1, 2) @ pixels)[:, None])
        return result


class ResidualBlock(nn.Module):
    """Two convolutions and the image itself; the time between them, conditioning tokens or a gate where asked for."""

    def __init__(
        self, inputs: int, outputs: int, time: int, *, context: int | None = None, gate: bool = False, video: bool
    ) -> None:
        """Build it.

        Args:
            inputs: channels that come in.
            outputs: channels that go out.
            time: length of the time vector.
            context: features of the conditioning tokens; with none there is no cross-attention.
            gate: whether a gate follows the convolutions.
            video: whether it works on videos.
        """
        super().__init__()
        axes = 3 if video else 2
        self.time_mlp = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * outputs))
        self.block1 = Block(inputs, outputs, video)
        self.block2 = Block(outputs, outputs, video)
        self.cross_attn = None if context is None else CrossAttention(outputs, context)
        self.gca = Gate(outputs, axes) if gate else None
        self.res_conv = nn.Identity() if inputs == outputs else Pointwise(inputs, outputs, axes)

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Return ``(B, rows, columns, outputs)``.

        Args:
            x: ``(B, rows, columns, inputs)``.
            t: time vectors, ``(B, T)``.
            c: conditioning tokens, ``(B, m, context)``.
        """
        h = self.block1(x)
        if self.cross_attn is not None:
            h = h + self.cross_attn(h.flatten(1, 2), c).view_as(h)
        scale, shift = self.time_mlp(t)[:, None, None].chunk(2, dim=-1)
        h = self.block2(h, (scale, shift))
        if self.gca is not None:
            h = h * self.gca(h)
        result: Tensor = h + self.res_conv(x)
        return result


def feed_forward(width: int, axes: int) -> nn.Sequential:
    """Return the feed-forward part of a transformer block, twice as wide inside.

    Args:
        width: features that come in and go out.
        axes: 0 for linear layers, 2 for the images of linear attention, 3 for videos, whose frames are shifted.
    """
    before = [1] if axes == 3 else []
    return nn.Sequential(
        Gain(*before, width, *[1] * axes),
        Pointwise(width, 2 * width, axes, bias=False),
        nn.GELU(),
        *([TokenShift()] if axes == 3 else []),
        Gain(*before, 2 * width, *[1] * axes),
        Pointwise(2 * width, width, axes, bias=False),
    )


class Transformer(nn.Module):
    """Attention of all pixels (and frames) of a sample, then a feed-forward network; both are added."""

    def __init__(self, width: int, context: int | None, *, video: bool) -> None:
        """Build it; with ``context``, conditioning tokens of so many features are attended to too."""
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.ModuleList([SelfAttention(width, context), feed_forward(width, 3 if video else 0)])]
        )

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return ``(B, rows, columns, d)``, from ``x`` of that shape and tokens ``(B, m, context)``."""
        attention, feed = self.layers.get_submodule("0.0"), self.layers.get_submodule("0.1")
        x = x + attention(x.flatten(1, 2), c).view_as(x)
        result: Tensor = x + feed(x)
        return result


class LinearTransformer(nn.Module):
    """The same with linear attention."""

    def __init__(self, width: int, context: int) -> None:
        """Build it."""
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleList([LinearAttention(width, context), feed_forward(width, 2)])])

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Return ``(B, rows, columns, d)``, from ``x`` of that shape and tokens ``(B, m, context)``."""
        attention, feed = self.layers.get_submodule("0.0"), self.layers.get_submodule("0.1")
        x = x + attention(x, c)
        result: Tensor = x + feed(x)
        return result


class MiddleAttention(nn.Module):
    """Attention of all pixels of all frames in the middle of the video network: no tokens, no feed-forward."""

    def __init__(self, width: int) -> None:
        """Build it."""
        super().__init__()
        self.fn = SelfAttention(width)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return ``(B, rows, columns, d)``; the conditioning tokens are not looked at."""
        result: Tensor = x + self.fn(x.flatten(1, 2)).view_as(x)
        return result
