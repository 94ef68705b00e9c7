"""The messages of a CSPNet layer between all pairs of atoms, with a fraction of the published work and memory.

The message from j to i is MLP([h_i, h_j, L Lᵀ, sin, cos]) with two linear layers. Written as published, the first one
multiplies 1289 numbers for each of the n² edges. Here its columns are taken apart:

- those of h_i, of h_j and of the lattice are multiplied once per atom (:class:`Terms`);
- sin changes its sign from (i, j) to (j, i) and cos does not, so both are multiplied once per pair i < j, and the two
  directions are their sum and difference;
- the edges of an atom with itself have sin 0 and cos 1.

The backward pass is written out: of everything that has the size of the edges it keeps the arguments of the two
activations only, or nothing (``recompute``), and it works through chunks that stay in a processor's cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, silu

from .pairs import Pairs

#: Pairs worked on at once: on a CPU what stays in the cache, on a GPU what fills it.
CHUNK = {"cpu": 1024, "cuda": 65536}


class Terms(NamedTuple):
    """What the first linear layer gives, taken apart.

    Attributes:
        target: of the atom that receives, with the lattice and the bias, ``(N, H)``.
        source: of the atom that sends, ``(N, H)``.
        sine: columns of the sines, ``(H, 3 F)``.
        cosine: columns of the cosines, ``(H, 3 F)``.
    """

    target: Tensor
    source: Tensor
    sine: Tensor
    cosine: Tensor


def sum_messages(terms: Terms, weight: Tensor, bias: Tensor, pairs: Pairs, recompute: bool = False) -> Tensor:
    """Return the sum of the messages that each atom receives from all atoms of its structure, itself among them.

    Args:
        terms: of the first linear layer.
        weight: of the second linear layer, ``(H, H)``.
        bias: of the second linear layer, ``(H,)``.
        pairs: with their features.
        recompute: whether the backward pass computes everything again instead of keeping it.

    Returns:
        ``(N, H)``. Gradients reach terms, weight and bias; the features have none, as published.
    """
    own = terms.target + terms.source + terms.cosine.sum(dim=1).to(terms.target.dtype)
    own = silu(linear(silu(own), weight, bias))
    if torch.compiler.is_compiling():
        return own + _plain(terms, weight, bias, pairs)
    device = own.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else own.dtype
    tensors = [value.to(dtype) for value in (*terms, weight, bias, pairs.sines, pairs.cosines)]
    with torch.autocast(device, enabled=False):
        summed = _PairMessages.apply(*tensors, pairs.first, pairs.second, recompute)
    assert isinstance(summed, Tensor)
    return own + summed


def _plain(terms: Terms, weight: Tensor, bias: Tensor, pairs: Pairs) -> Tensor:
    """Write the same without chunks in operations that a compiler can fuse, and that autograd can follow."""
    first, second = pairs.first, pairs.second
    odd, even = linear(pairs.sines, terms.sine), linear(pairs.cosines, terms.cosine)
    there = even + odd + terms.target[first] + terms.source[second]
    back = even - odd + terms.target[second] + terms.source[first]
    received = silu(linear(silu(torch.cat([there, back])), weight, bias))
    total = torch.promote_types(received.dtype, torch.float32)  # hundreds of messages add up
    summed = torch.zeros_like(terms.target, dtype=total)
    return summed.index_add(0, torch.cat([first, second]), received.to(total))


class _PairMessages(torch.autograd.Function):
    """Sum of the messages in both directions of every pair, ``(N, H)`` float32 or float64."""

    @staticmethod
    def forward(
        ctx: Any,
        target: Tensor,
        source: Tensor,
        sine: Tensor,
        cosine: Tensor,
        weight: Tensor,
        bias: Tensor,
        sines: Tensor,
        cosines: Tensor,
        first: Tensor,
        second: Tensor,
        recompute: bool,
    ) -> Tensor:
        n, width = target.shape
        nodes = torch.cat([target, source], dim=1)
        keep = not recompute and any(ctx.needs_input_grad)
        size = (2, len(first) if keep else 0, width)
        inner, outer = target.new_empty(size), target.new_empty(size)
        summed = torch.zeros(n, width, dtype=torch.promote_types(target.dtype, torch.float32), device=target.device)
        for chunk in _chunks(len(first), target.device):
            i, j = first[chunk], second[chunk]
            x = inner[:, chunk] if keep else target.new_empty(2, len(i), width)
            _first_layer(x, nodes, sine, cosine, sines[chunk], cosines[chunk], i, j)
            y = torch.addmm(bias, silu(x).view(-1, width), weight.t()).view(x.shape)
            if keep:
                outer[:, chunk] = y
            message = silu(y, inplace=True).to(summed.dtype)
            summed.index_add_(0, i, message[0])
            summed.index_add_(0, j, message[1])
        ctx.save_for_backward(nodes, sine, cosine, weight, bias, sines, cosines, first, second, inner, outer)
        ctx.keep = keep
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        nodes, sine, cosine, weight, bias, sines, cosines, first, second, inner, outer = ctx.saved_tensors
        (gradient,) = gradients
        width = weight.shape[0]
        total = gradient.dtype  # sums over the edges are made in at least float32
        gradient = gradient.to(nodes.dtype)
        d_nodes = torch.zeros(nodes.shape, dtype=total, device=nodes.device)
        d_sine, d_cosine = torch.zeros_like(sine, dtype=total), torch.zeros_like(cosine, dtype=total)
        d_weight, d_bias = torch.zeros_like(weight, dtype=total), torch.zeros_like(bias, dtype=total)
        for chunk in _chunks(len(first), nodes.device):
            i, j = first[chunk], second[chunk]
            if ctx.keep:
                x, y = inner[:, chunk], outer[:, chunk]
                activated = silu(x)
            else:
                x = nodes.new_empty(2, len(i), width)
                _first_layer(x, nodes, sine, cosine, sines[chunk], cosines[chunk], i, j)
                activated = silu(x)
                y = torch.addmm(bias, activated.view(-1, width), weight.t()).view(x.shape)
            d_y = torch.stack([gradient[i], gradient[j]])
            d_y = torch.ops.aten.silu_backward(d_y, y).view(-1, width)
            d_bias += d_y.sum(dim=0, dtype=total)
            _add_product(d_weight, d_y.t(), activated.view(-1, width))
            d_x = torch.ops.aten.silu_backward((d_y @ weight).view(x.shape), x)
            # the gradient of (target, source) at i is that of what i received and of what it sent
            d_nodes.index_add_(0, i, torch.cat([d_x[0], d_x[1]], dim=1).to(total))
            d_nodes.index_add_(0, j, torch.cat([d_x[1], d_x[0]], dim=1).to(total))
            _add_product(d_sine, (d_x[0] - d_x[1]).t(), sines[chunk])
            _add_product(d_cosine, (d_x[0] + d_x[1]).t(), cosines[chunk])
        d_target, d_source = d_nodes.to(nodes.dtype).split(width, dim=1)
        weights = [value.to(weight.dtype) for value in (d_sine, d_cosine, d_weight, d_bias)]
        return (d_target, d_source, *weights, None, None, None, None, None)


def _chunks(n: int, device: torch.device) -> list[slice]:
    size = CHUNK.get(device.type, CHUNK["cuda"])
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _first_layer(
    x: Tensor,
    nodes: Tensor,
    sine: Tensor,
    cosine: Tensor,
    sines: Tensor,
    cosines: Tensor,
    first: Tensor,
    second: Tensor,
) -> None:
    """Write what the first linear layer gives for both directions of some pairs into ``x``, ``(2, C, H)``."""
    width = x.shape[2]
    at_first, at_second = nodes[first], nodes[second]
    torch.mm(cosines, cosine.t(), out=x[0])
    odd = torch.mm(sines, sine.t())
    torch.sub(x[0], odd, out=x[1])
    x[0] += odd
    x[0] += at_first[:, :width]
    x[0] += at_second[:, width:]
    x[1] += at_second[:, :width]
    x[1] += at_first[:, width:]


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a matrix product; in one operation where the dtypes allow it."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
