"""Attention of the U-Nets: cosine similarities with a learned null key, and the linear attention of the first level."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Conv, Gain, Pointwise

HEADS = 8
#: Features of a head, whatever the width of the network.
SIZE = 64
INNER = HEADS * SIZE
#: What cosine similarities are multiplied by.
SCALE = 8.0
DROPOUT = 0.05


class CosineAttention(nn.Module):
    """What self- and cross-attention share: queries and keys of unit length times learned scales."""

    def __init__(self, width: int, *, output_gain: float = 1.0) -> None:
        """Build it for tokens of ``width`` features."""
        super().__init__()
        self.norm = Gain(width)
        self.null_kv = nn.Parameter(torch.randn(2, SIZE))
        self.q_scale = nn.Parameter(torch.ones(SIZE))
        self.k_scale = nn.Parameter(torch.ones(SIZE))
        self.to_q = nn.Linear(width, INNER, bias=False)
        self.to_out = nn.Sequential(nn.Linear(INNER, width, bias=False), Gain(width, value=output_gain))

    def queries(self, x: Tensor) -> Tensor:
        """Return the queries of normalised tokens ``(B, n, d)``: ``(B, heads, n, 64)``."""
        return self.unit(self.to_q(x).unflatten(-1, (HEADS, SIZE)), self.q_scale).transpose(1, 2)

    @staticmethod
    def unit(vectors: Tensor, scale: Tensor) -> Tensor:
        """Return vectors of unit length times a scale for each feature."""
        return functional.normalize(vectors, dim=-1) * scale


class SelfAttention(CosineAttention):
    """Tokens attend to each other: eight heads of queries, one of keys and values, a null key before all."""

    def __init__(self, width: int, context: int | None = None, *, output_gain: float = 1.0) -> None:
        """Build it; with ``context``, conditioning tokens of so many features give keys and values too."""
        super().__init__(width, output_gain=output_gain)
        self.to_kv = nn.Linear(width, 2 * SIZE, bias=False)
        if context is not None:
            self.to_context = nn.Sequential(nn.LayerNorm(context), nn.Linear(context, 2 * SIZE))

    def keys_values(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return keys and values, each ``(B, m, 64)``: those of the conditioning tokens, the null one, the tokens'."""
        null = self.null_kv.flatten().expand(len(x), 1, -1)
        parts = [null, self.to_kv(x)] if c is None else [self.to_context(c), null, self.to_kv(x)]
        keys, values = torch.cat(parts, dim=1).chunk(2, dim=-1)
        return self.unit(keys, self.k_scale), values

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return what the tokens learn from each other and from the conditioning tokens.

        Args:
            x: tokens, ``(B, n, d)``.
            c: conditioning tokens, ``(B, m, context)``.
        """
        x = self.norm(x)
        keys, values = self.keys_values(x, c)
        # all heads have the same keys, so that they are but more queries of one head
        queries = self.queries(x).flatten(1, 2)[:, None]
        found = functional.scaled_dot_product_attention(queries, keys[:, None], values[:, None], scale=SCALE)
        result: Tensor = self.to_out(found.reshape(len(x), HEADS, -1, SIZE).transpose(1, 2).flatten(2))
        return result


class CrossAttention(CosineAttention):
    """Pixels attend to the conditioning tokens: eight heads of queries, keys and values, a null key before all."""

    def __init__(self, width: int, context: int) -> None:
        """Build it for pixels of ``width`` and tokens of ``context`` features."""
        super().__init__(width)
        self.to_kv = nn.Linear(context, 2 * INNER, bias=False)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Return what the pixels ``(B, n, d)`` learn from the tokens ``(B, m, context)``."""
        null = self.null_kv[:, None].expand(2, HEADS, SIZE).reshape(1, 1, 2 * INNER).expand(len(x), 1, -1)
        both = torch.cat([null, self.to_kv(c)], dim=1).unflatten(-1, (2, HEADS, SIZE))
        keys, values = both.permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(
            self.queries(self.norm(x)), self.unit(keys, self.k_scale), values, scale=SCALE
        )
        result: Tensor = self.to_out(found.transpose(1, 2).flatten(2))
        return result


class LinearAttention(nn.Module):
    """Attention whose cost is linear in the pixels: softmax of queries and of keys apart; a convolution before both."""

    def __init__(self, width: int, context: int) -> None:
        """Build it for images of ``width`` channels and conditioning tokens of ``context`` features."""
        super().__init__()
        self.norm = Gain(width, 1, 1)
        self.to_q, self.to_k, self.to_v = (
            nn.Sequential(
                nn.Dropout(DROPOUT),
                Pointwise(width, INNER, 2, bias=False),
                Conv(INNER, INNER, 3, bias=False, groups=INNER),
            )
            for _ in range(3)
        )
        self.to_context = nn.Sequential(nn.LayerNorm(context), nn.Linear(context, 2 * INNER, bias=False))
        self.to_out = nn.Sequential(Pointwise(INNER, width, 2, bias=False), Gain(width, 1, 1))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Return what the pixels learn from each other and from the conditioning tokens.

        Args:
            x: images, ``(B, rows, columns, d)``.
            c: conditioning tokens, ``(B, m, context)``.
        """
        y = self.norm(x)
        queries = self.to_q(y).flatten(1, 2).unflatten(-1, (HEADS, SIZE)).softmax(dim=-1) * SIZE**-0.5
        given = self.to_context(c).chunk(2, dim=-1)
        keys, values = (
            torch.cat([to(y).flatten(1, 2), more], dim=1).unflatten(-1, (HEADS, SIZE))
            for to, more in zip((self.to_k, self.to_v), given, strict=True)
        )
        summary = keys.softmax(dim=1).permute(0, 2, 3, 1) @ values.transpose(1, 2)
        found = (queries.transpose(1, 2) @ summary).transpose(1, 2).reshape(*x.shape[:3], INNER)
        result: Tensor = self.to_out(functional.silu(found))
        return result
