"""What the network of videos does along the frames; videos are ``(B, F·L, L, channels)``, see ``layers``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .attention import HEADS, SCALE, SIZE, SelfAttention
from .layers import Conv, Gain, per_frame

#: Similarities that temporal attention holds at once; beyond that it works on some pixels after the other.
MAX_SIMILARITIES = 2**25


def by_pixel(x: Tensor) -> Tensor:
    """Return each pixel's frames, ``(B·L·L, F, C)``, of a video ``(B, F·L, L, C)``."""
    side = x.shape[2]
    return x.reshape(len(x), -1, side * side, x.shape[3]).transpose(1, 2).flatten(0, 1)


def from_pixels(pixels: Tensor, like: Tensor) -> Tensor:
    """Return the video, shaped as another, whose pixels ``(B·L·L, F, C)`` are given."""
    return pixels.unflatten(0, (len(like), -1)).transpose(1, 2).reshape(*like.shape[:3], -1)


def frames_before(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return a video two frames and one frame later, zeros first, each ``(B, F·L, L, C)``."""
    side = x.shape[2]
    earlier = functional.pad(x, (0, 0, 0, 0, 2 * side, 0))
    return earlier[:, : -2 * side], earlier[:, side:-side]


class TemporalConv(nn.Conv1d):
    """Convolution over a frame and the two before it, at every pixel."""

    def __init__(self, width: int) -> None:
        """Build it with the unit matrix for the frame before and zeros else: at first it delays by one frame."""
        super().__init__(width, width, 3)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:, :, 1].copy_(torch.eye(width))
            self.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """Return the video, ``(B, F·L, L, C)``."""
        three = torch.cat([*frames_before(x), x], dim=-1)
        return functional.linear(three, self.weight.transpose(1, 2).flatten(1), self.bias)


class PseudoConv(nn.Module):
    """Convolution 3 × 3 of each frame, then one along the frames."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Build both."""
        super().__init__()
        self.spatial_conv = Conv(inputs, outputs, 3)
        self.temporal_conv = TemporalConv(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, F·L, L, outputs)``."""
        result: Tensor = self.temporal_conv(self.spatial_conv(per_frame(x)).reshape(*x.shape[:3], -1))
        return result


class _Depthwise(nn.Conv3d):
    def __init__(self, width: int) -> None:
        super().__init__(width, width, (3, 1, 1), groups=width)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.weight.flatten(1).unbind(dim=1)
        two, one = frames_before(x)
        return two * first + one * second + x * third + self.bias  # type: ignore[operator]


class PositionConv(nn.Module):
    """Add a convolution over a frame and the two before it, channel by channel, which tells frames their place."""

    def __init__(self, width: int) -> None:
        """Build it."""
        super().__init__()
        self.fn = nn.Sequential(nn.Identity(), _Depthwise(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the video, ``(B, F·L, L, C)``."""
        result: Tensor = x + self.fn(x)
        return result


class TokenShift(nn.Module):
    """Take the second half of the channels from the frame before."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the video, ``(B, F·L, L, C)``."""
        now, before = x.chunk(2, dim=-1)
        return torch.cat([now, frames_before(before)[1]], dim=-1)


class PositionBias(nn.Module):
    """What is added to the similarities of two frames for their distance: a small network of that one number."""

    def __init__(self, width: int) -> None:
        """Build it with two hidden layers of ``width``."""
        super().__init__()
        first = nn.Sequential(nn.Linear(1, width), Gain(width), nn.SiLU())
        second = nn.Sequential(nn.Linear(width, width), Gain(width), nn.SiLU())
        self.mlp = nn.ModuleList([first, second, nn.Linear(width, HEADS)])

    def forward(self, n_frames: int) -> Tensor:
        """Return the bias of a query's frame i and a key's frame j, ``(heads, F, F)``, from i − j."""
        weight = self.mlp[2].weight
        x = torch.arange(1 - n_frames, n_frames, device=weight.device, dtype=weight.dtype)[:, None]  # type: ignore[arg-type]
        for layer in self.mlp:
            x = layer(x)
        places = torch.arange(n_frames, device=x.device)
        return x[places[:, None] - places[None, :] + n_frames - 1].permute(2, 0, 1)


class FrameAttention(SelfAttention):
    """Frames of a pixel attend to themselves and those before them, with a bias for the distance."""

    def __init__(self, width: int) -> None:
        """Build it; its output's gain is zero at first."""
        super().__init__(width, output_gain=0.0)
        self.null_attn_bias = nn.Parameter(torch.randn(HEADS))
        self.rel_pos_bias = PositionBias(width)

    def bias(self, n_frames: int) -> Tensor:
        """Return what is added to the similarities, ``(heads, F, 1 + F)``, null key first; −∞ for later frames."""
        bias = self.rel_pos_bias(n_frames)
        later = torch.ones(n_frames, n_frames, dtype=torch.bool, device=bias.device).triu(1)
        null = self.null_attn_bias[:, None, None].expand(-1, n_frames, 1).to(bias.dtype)
        return torch.cat([null, bias.masked_fill(later, -torch.inf)], dim=-1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return what each frame of every pixel learns, ``(pixels, F, d)``, from ``x`` of that shape."""
        x = self.norm(x)
        keys, values = self.keys_values(x, None)
        queries, bias = self.queries(x), self.bias(x.shape[1])
        at_once = max(1, MAX_SIMILARITIES // bias.numel())
        parts = [
            checkpoint(_attend, *part, bias, use_reentrant=False)
            for part in zip(queries.split(at_once), keys.split(at_once), values.split(at_once), strict=True)
        ]
        result: Tensor = self.to_out(torch.cat(parts).transpose(1, 2).flatten(2))
        return result


def _attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Return the sums of values, ``(pixels, heads, F, 64)``; similarities are made again in the backward pass."""
    n_pixels, _, n_frames, _ = queries.shape
    # fused attention knows no gradient of a bias on a CPU; all heads have the same keys
    similarities = (queries.flatten(1, 2) @ keys.transpose(1, 2)).view(n_pixels, HEADS, n_frames, -1)
    weights = torch.softmax(torch.add(bias, similarities, alpha=SCALE), dim=-1)
    return (weights.flatten(1, 2) @ values).view(n_pixels, HEADS, n_frames, SIZE)


class TemporalAttention(nn.Module):
    """Add what the frames of every pixel learn from each other."""

    def __init__(self, width: int) -> None:
        """Build it."""
        super().__init__()
        self.fn = nn.ModuleDict({"fn": FrameAttention(width)})

    def forward(self, x: Tensor) -> Tensor:
        """Return the video, ``(B, F·L, L, C)``."""
        return x + from_pixels(self.fn["fn"](by_pixel(x)), x)
