"""The three networks: of small images, of large images beside a small one, of videos.

Each predicts the noise in its input. Names and shapes of the weights are the published ones; those that the published
networks hold and never use (for text, and a bias of attention without positions) are left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .blocks import LinearTransformer, MiddleAttention, ResidualBlock, Transformer
from .layers import Conv, CrossEmbed, Down, FrameConv, TwoKernels, Up
from .temporal import PositionConv, TemporalAttention

#: Widths of the three levels where they end, in units of the base width.
MULTIPLES = (1, 2, 4)
SKIP_SCALE = 2**-0.5
FREQUENCIES = 8
TOKENS = 2


class Nothing(nn.Module):
    """A step that a level lacks; published steps have their numbers as names, so it keeps its place."""

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        """Return what came in."""
        return x


class Waves(nn.Module):
    """A number, and sines and cosines of it with learned frequencies."""

    def __init__(self) -> None:
        """Build it with normal frequencies."""
        super().__init__()
        self.weights = nn.Parameter(torch.randn(FREQUENCIES))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 17)`` for ``x`` of shape ``(B,)``."""
        x = x[:, None]
        angles = x * self.weights * 2 * math.pi
        return torch.cat([x, angles.sin(), angles.cos()], dim=-1)


class DownLevel(nn.ModuleList):
    """A level on the way down: change of side, first block, blocks, attention, steps along frames, change of side."""

    def forward(self, x: Tensor, t: Tensor, c: Tensor, skips: list[Tensor]) -> Tensor:
        """Return what the next level gets; what the way up gets is put on ``skips``."""
        before, first, blocks, attention, *along, after = self
        x = first(before(x), t, c)
        for block in blocks:  # type: ignore[attr-defined]
            x = block(x, t)
            skips.append(x)
        x = attention(x, c)
        for step in along:
            x = step(x)
        skips.append(x)
        result: Tensor = after(x)
        return result


class UpLevel(nn.ModuleList):
    """A level on the way up: first block, blocks, attention, steps along frames, change of side."""

    def forward(self, x: Tensor, t: Tensor, c: Tensor, skips: list[Tensor]) -> Tensor:
        """Return what the next level gets; takes from ``skips`` what it joins before each block."""
        first, blocks, attention, *along, after = self
        x = first(_join(x, skips), t, c)
        for block in blocks:  # type: ignore[attr-defined]
            x = block(_join(x, skips), t)
        x = attention(x, c)
        for step in along:
            x = step(x)
        result: Tensor = after(x)
        return result


def _join(x: Tensor, skips: list[Tensor]) -> Tensor:
    return torch.cat([x, skips.pop() * SKIP_SCALE], dim=-1)


class UNet(nn.Module):
    """The network of small images; the other two differ from it in what their class attributes say.

    Attributes:
        SIDE_MULTIPLE: what the side of an image must be a multiple of.
    """

    SIDE_MULTIPLE = 4
    VIDEO = False
    #: Whether the side is halved before each level rather than after the first two.
    HALVE_FIRST = False
    #: Residual blocks of the levels, after the first.
    BLOCKS: tuple[int, ...] = (3, 3, 3)
    #: Levels whose pixels attend to each other, and whose first block to the conditioning tokens.
    ATTENTION: tuple[int, ...] = (1, 2)
    LINEAR_ATTENTION: tuple[int, ...] = (0,)
    #: Length of the time vector in units of the base width.
    TIME = 4

    def __init__(self, channels: int, width: int) -> None:
        """Build it with its initial weights.

        Args:
            channels: of the image.
            width: base width, a multiple of 8.
        """
        super().__init__()
        self.channels, self.width, self.time = channels, width, self.TIME * width
        self._condition("to_time")
        self.norm_cond = nn.LayerNorm(width)
        widths = [width, *(width * multiple for multiple in MULTIPLES)]
        self.init_conv = CrossEmbed(self.input_channels(), width, self.VIDEO)
        if self.HALVE_FIRST:
            self.init_resnet_block = self._block(width, width, gate=True)
        if self.VIDEO:
            self.init_temporal_peg, self.init_temporal_attn = self._along(width)
        levels = range(len(MULTIPLES))
        self.downs = nn.ModuleList(self._down(level, widths[level], widths[level + 1]) for level in levels)
        middle = widths[-1]
        self.mid_block1 = self._block(middle, middle, context=True)
        self.mid_attn = MiddleAttention(middle) if self.VIDEO else Transformer(middle, None, video=False)
        if self.VIDEO:
            self.mid_temporal_peg, self.mid_temporal_attn = self._along(middle)
        self.mid_block2 = self._block(middle, middle, context=True)
        self.ups = nn.ModuleList(self._up(level, widths[level], widths[level + 1]) for level in reversed(levels))
        self.final_res_block = self._block(width, width, gate=True)
        self.final_conv = (FrameConv if self.VIDEO else Conv)(self.final_channels(), channels, 3)
        nn.init.zeros_(self.final_conv.weight)
        assert self.final_conv.bias is not None
        nn.init.zeros_(self.final_conv.bias)

    def input_channels(self) -> int:
        """Return the channels of what the first convolution sees."""
        return self.channels

    def final_channels(self) -> int:
        """Return the channels of what the last convolution sees."""
        return self.width

    # ------------------------------------------------------------------ building
    def _condition(self, name: str) -> None:
        """Add the layers that make a time vector and conditioning tokens of a log-SNR."""
        hiddens = nn.Sequential(Waves(), nn.Linear(2 * FREQUENCIES + 1, self.time), nn.SiLU())
        self.add_module(f"{name}_hiddens", hiddens)
        self.add_module(f"{name}_cond", nn.Sequential(nn.Linear(self.time, self.time)))
        self.add_module(f"{name}_tokens", nn.Sequential(nn.Linear(self.time, TOKENS * self.width)))

    def _block(self, inputs: int, outputs: int, *, context: bool = False, gate: bool = False) -> ResidualBlock:
        tokens = self.width if context else None
        return ResidualBlock(inputs, outputs, self.time, context=tokens, gate=gate, video=self.VIDEO)

    def _attention(self, level: int, width: int) -> nn.Module:
        if level in self.ATTENTION:
            return Transformer(width, self.width, video=self.VIDEO)
        return LinearTransformer(width, self.width) if level in self.LINEAR_ATTENTION else Nothing()

    def _along(self, width: int) -> tuple[PositionConv, TemporalAttention]:
        return PositionConv(width), TemporalAttention(width)

    def _down(self, level: int, inputs: int, outputs: int) -> DownLevel:
        before: nn.Module = Nothing()
        after: nn.Module = Nothing()
        width = inputs
        if self.HALVE_FIRST:
            before, width = Down(inputs, outputs, self.VIDEO), outputs
        elif level < len(MULTIPLES) - 1:
            after = Down(inputs, outputs, self.VIDEO)
        else:
            after = TwoKernels(inputs, outputs, self.VIDEO)
        return DownLevel(
            [
                before,
                self._block(width, width, context=level in self.ATTENTION),
                nn.ModuleList(self._block(width, width, gate=True) for _ in range(self.BLOCKS[level])),
                self._attention(level, width),
                *([*self._along(width), Nothing()] if self.VIDEO else []),
                after,
            ]
        )

    def _up(self, level: int, outputs: int, width: int) -> UpLevel:
        joined = width + (width if self.HALVE_FIRST else outputs)
        last = level == 0 and not self.HALVE_FIRST
        return UpLevel(
            [
                self._block(joined, width, context=level in self.ATTENTION),
                nn.ModuleList(self._block(joined, width, gate=True) for _ in range(self.BLOCKS[level])),
                self._attention(level, width),
                *([*self._along(width), Nothing()] if self.VIDEO else []),
                Nothing() if last else Up(width, outputs, self.VIDEO),
            ]
        )

    # ------------------------------------------------------------------ running
    def condition(self, name: str, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        """Return the time vector, ``(B, T)``, and tokens, ``(B, 2, width)``, of log-SNRs ``(B,)``."""
        hiddens = self.get_submodule(f"{name}_hiddens")(log_snr)
        tokens = self.get_submodule(f"{name}_tokens")(hiddens).unflatten(-1, (TOKENS, self.width))
        return self.get_submodule(f"{name}_cond")(hiddens), tokens

    def walk(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Go down and up again.

        Args:
            x: what the first convolution gave, ``(B, rows, columns, width)``.
            t: time vectors, ``(B, T)``.
            c: normalised conditioning tokens, ``(B, m, width)``.

        Returns:
            What the last convolution gets, ``(B, rows, columns, width)``.
        """
        skips: list[Tensor] = []
        for down in self.downs:
            x = down(x, t, c, skips)
        x = self.mid_attn(self.mid_block1(x, t, c), c if self.VIDEO else None)
        if self.VIDEO:
            x = self.mid_temporal_attn(self.mid_temporal_peg(x))
        x = self.mid_block2(x, t, c)
        for up in self.ups:
            x = up(x, t, c, skips)
        result: Tensor = self.final_res_block(x, t)
        return result

    def forward(self, x: Tensor, log_snr: Tensor) -> Tensor:
        """Return the predicted noise, ``(B, channels, side, side)``.

        Args:
            x: noisy images, ``(B, channels, side, side)``.
            log_snr: of each, ``(B,)``.
        """
        t, tokens = self.condition("to_time", log_snr)
        x = self.walk(self.init_conv(x.permute(0, 2, 3, 1)), t, self.norm_cond(tokens))
        result: Tensor = self.final_conv(x).permute(0, 3, 1, 2)
        return result


class SuperResolutionUNet(UNet):
    """The network of large images: it is given a small image, enlarged and with noise, beside the noisy image."""

    SIDE_MULTIPLE = 8
    HALVE_FIRST = True
    BLOCKS = (2, 4, 8)
    ATTENTION = (2,)
    LINEAR_ATTENTION = ()
    TIME = 8

    def __init__(self, channels: int, width: int) -> None:
        """Build it with its initial weights; arguments as those of :class:`UNet`."""
        super().__init__(channels, width)
        self._condition("to_lowres_time")

    def input_channels(self) -> int:
        """Return the channels of both images."""
        return 2 * self.channels

    def final_channels(self) -> int:
        """Return the channels of the last block and of the small image, which comes in again."""
        return self.width + self.channels

    def forward(  # type: ignore[override]
        self, x: Tensor, log_snr: Tensor, low: Tensor, low_log_snr: Tensor
    ) -> Tensor:
        """Return the predicted noise, ``(B, channels, side, side)``.

        Args:
            x: noisy images, ``(B, channels, side, side)``.
            log_snr: of each, ``(B,)``.
            low: small images enlarged to the same side, with noise.
            low_log_snr: of the noise on each of them, ``(B,)``.
        """
        low = low.permute(0, 2, 3, 1)
        t, tokens = self.condition("to_time", log_snr)
        low_t, low_tokens = self.condition("to_lowres_time", low_log_snr)
        t, c = t + low_t, self.norm_cond(torch.cat([tokens, low_tokens], dim=1))
        x = self.init_resnet_block(self.init_conv(torch.cat([x.permute(0, 2, 3, 1), low], dim=-1)), t)
        x = self.walk(x, t, c)
        result: Tensor = self.final_conv(torch.cat([x, low], dim=-1)).permute(0, 3, 1, 2)
        return result


class VideoUNet(UNet):
    """The network of videos with square frames."""

    VIDEO = True
    LINEAR_ATTENTION = ()

    def forward(self, x: Tensor, log_snr: Tensor) -> Tensor:
        """Return the predicted noise, ``(B, channels, F, side, side)``.

        Args:
            x: noisy videos, ``(B, channels, F, side, side)``.
            log_snr: of each, ``(B,)``.
        """
        t, tokens = self.condition("to_time", log_snr)
        y = self.init_conv(x.permute(0, 2, 3, 4, 1).flatten(1, 2))
        y = self.walk(self.init_temporal_attn(self.init_temporal_peg(y)), t, self.norm_cond(tokens))
        result: Tensor = self.final_conv(y).unflatten(1, (x.shape[2], -1)).permute(0, 4, 1, 2, 3)
        return result
