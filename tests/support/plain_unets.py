"""The three U-Nets written plainly from their description: channels first, attention with all its similarities.

The oracle of the tests and the yardstick of the benchmark. It takes the weights from a network of ours, by name; images
are ``(B, C, H, W)`` and videos ``(B, C, F, H, W)`` throughout, as in the published code.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

HEADS, SIZE = 8, 64


def conv(m, x):
    """Convolve; a video with a kernel of one frame, zeros around each frame."""
    if x.dim() == 5:
        k = m.weight.shape[-1] // 2
        return functional.conv3d(x, m.weight, m.bias, padding=(0, k, k))
    return functional.conv2d(x, m.weight, m.bias, padding=m.weight.shape[-1] // 2, groups=getattr(m, "groups", 1))


def gain(m, x, dim=-1):
    variance = x.var(dim=dim, unbiased=False, keepdim=True)
    y = (x - x.mean(dim=dim, keepdim=True)) * (variance + 1e-5).rsqrt()
    shape = [1] * x.dim()
    shape[dim] = -1
    return y * m.g.view(shape)


def linear(m, x):
    return functional.linear(x, m.weight, m.bias)


def unit(x, scale):
    return functional.normalize(x, dim=-1) * scale


def heads(x):
    return x.unflatten(-1, (HEADS, SIZE)).transpose(-2, -3)


def project(m, x):
    """A block's convolution; for videos one of each frame, then one over three frames at each pixel."""
    if x.dim() == 4:
        return conv(m, x)
    b, _, f, h, w = x.shape
    x = conv(m.spatial_conv, x.transpose(1, 2).flatten(0, 1)).unflatten(0, (b, f))
    x = x.permute(0, 3, 4, 2, 1).flatten(0, 2)
    x = functional.conv1d(functional.pad(x, (2, 0)), m.temporal_conv.weight, m.temporal_conv.bias)
    return x.unflatten(0, (b, h, w)).permute(0, 3, 4, 1, 2)


def block(m, x, scale_shift=None):
    x = functional.group_norm(x, 8, m.groupnorm.weight, m.groupnorm.bias, eps=1e-5)
    if scale_shift is not None:
        x = x * (1 + scale_shift[0]) + scale_shift[1]
    return project(m.project, functional.silu(x))


def per_channel(x, like):
    return x.view(*x.shape[:2], *[1] * (like.dim() - 2))


def residual(m, x, t, c=None):
    h = block(m.block1, x)
    if m.cross_attn is not None:
        h = h + cross_attention(m.cross_attn, h.flatten(2).transpose(1, 2), c).transpose(1, 2).reshape(h.shape)
    scale_shift = linear(m.time_mlp[1], functional.silu(t)).chunk(2, dim=1)
    h = block(m.block2, h, [per_channel(part, h) for part in scale_shift])
    if m.gca is not None:
        weights = conv(m.gca.to_k, h).flatten(2).softmax(dim=-1)
        pooled = per_channel(torch.einsum("bin,bcn->bci", weights, h.flatten(2))[:, :, 0], h)
        gate = conv(m.gca.net[2], functional.silu(conv(m.gca.net[0], pooled))).sigmoid()
        h = h * gate
    return h + (conv(m.res_conv, x) if hasattr(m.res_conv, "weight") else x)


def output(m, found):
    return gain(m.to_out[1], linear(m.to_out[0], found.transpose(-2, -3).flatten(-2)))


def cross_attention(m, x, c):
    q = unit(heads(linear(m.to_q, gain(m.norm, x))), m.q_scale)
    keys, values = map(heads, linear(m.to_kv, c).chunk(2, dim=-1))
    null_key, null_value = (null.expand(len(x), HEADS, 1, SIZE) for null in m.null_kv)
    keys = unit(torch.cat([null_key, keys], dim=2), m.k_scale)
    values = torch.cat([null_value, values], dim=2)
    similarities = torch.einsum("bhid,bhjd->bhij", q, keys) * 8
    return output(m, torch.einsum("bhij,bhjd->bhid", similarities.softmax(dim=-1), values))


def self_attention(m, x, c=None, bias=None):
    x = gain(m.norm, x)
    q = unit(heads(linear(m.to_q, x)), m.q_scale)
    keys, values = linear(m.to_kv, x).chunk(2, dim=-1)
    null_key, null_value = (null.expand(len(x), 1, SIZE) for null in m.null_kv)
    keys, values = torch.cat([null_key, keys], dim=1), torch.cat([null_value, values], dim=1)
    if c is not None:
        norm, layer = m.to_context
        given = functional.layer_norm(c, c.shape[-1:], norm.weight, norm.bias)
        more = linear(layer, given).chunk(2, dim=-1)
        keys, values = torch.cat([more[0], keys], dim=1), torch.cat([more[1], values], dim=1)
    similarities = torch.einsum("bhid,bjd->bhij", q, unit(keys, m.k_scale)) * 8
    if bias is not None:
        similarities = similarities + bias
        later = torch.ones(x.shape[1], x.shape[1] + 1, dtype=torch.bool).triu(2)
        similarities = similarities.masked_fill(later, -torch.inf)
    return output(m, torch.einsum("bhij,bjd->bhid", similarities.softmax(dim=-1), values))


def linear_attention(m, x, c):
    b, _, h, w = x.shape
    y = gain(m.norm, x, 1)
    q, k, v = (
        conv(to[2], conv(to[1], functional.dropout(y, to[0].p, to[0].training))) for to in (m.to_q, m.to_k, m.to_v)
    )
    q, k, v = (part.flatten(2).transpose(1, 2) for part in (q, k, v))
    norm, layer = m.to_context
    more = linear(layer, functional.layer_norm(c, c.shape[-1:], norm.weight, norm.bias)).chunk(2, dim=-1)
    k, v = (heads(torch.cat(pair, dim=1)) for pair in ((k, more[0]), (v, more[1])))
    q = heads(q).softmax(dim=-1) * SIZE**-0.5
    summary = torch.einsum("bhnd,bhne->bhde", k.softmax(dim=-2), v)
    found = torch.einsum("bhnd,bhde->bhne", q, summary).transpose(1, 2).flatten(2).transpose(1, 2)
    found = functional.silu(found).reshape(b, -1, h, w)
    return gain(m.to_out[1], conv(m.to_out[0], found), 1)


def feed_forward(m, x, dim):
    layer = conv if dim == 1 else lambda m, x: functional.linear(x, m.weight, m.bias)
    y = functional.gelu(layer(m[1], gain(m[0], x, dim)))
    if x.dim() == 5:
        now, before = y.chunk(2, dim=1)
        y = torch.cat([now, functional.pad(before, (0, 0, 0, 0, 1, -1))], dim=1)
    return layer(m[-1], gain(m[-2], y, dim))


def attention(m, x, c):
    """The transformer block of a level or of the middle, or nothing."""
    if hasattr(m, "fn"):  # the middle of the video network
        return x + self_attention(m.fn, x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
    if not hasattr(m, "layers"):
        return x
    ours, feed = m.layers[0]
    if hasattr(ours, "to_k"):
        x = x + linear_attention(ours, x, c)
        return x + feed_forward(feed, x, 1)
    tokens = x.flatten(2).transpose(1, 2)
    tokens = tokens + self_attention(ours, tokens, c if hasattr(ours, "to_context") else None)
    if x.dim() == 5:
        x = tokens.transpose(1, 2).reshape(x.shape)
        return x + feed_forward(feed, x, 1)
    return (tokens + feed_forward(feed, tokens, -1)).transpose(1, 2).reshape(x.shape)


def along_frames(peg, attn, x):
    layer = peg.fn[1]
    x = x + functional.conv3d(functional.pad(x, (0, 0, 0, 0, 2, 0)), layer.weight, layer.bias, groups=x.shape[1])
    m, (b, d, f, h, w) = attn.fn["fn"], x.shape
    y = (torch.arange(f)[:, None] - torch.arange(f)).to(x.dtype)[..., None]
    for layer in m.rel_pos_bias.mlp[:2]:
        y = functional.silu(gain(layer[1], linear(layer[0], y)))
    bias = linear(m.rel_pos_bias.mlp[2], y).permute(2, 0, 1)
    bias = torch.cat([m.null_attn_bias.view(-1, 1, 1).expand(-1, f, 1), bias], dim=-1)
    found = self_attention(m, x.permute(0, 3, 4, 2, 1).reshape(-1, f, d), bias=bias)
    return x + found.reshape(b, h, w, f, d).permute(0, 4, 3, 1, 2)


def down(m, x):
    """Halve the side, or the sum of two convolutions, or nothing."""
    if hasattr(m, "fns"):
        return conv(m.fns[0], x) + conv(m.fns[1], x)
    if not hasattr(m, "__len__"):
        return x
    *front, h, w = x.shape
    x = x.reshape(*front, h // 2, 2, w // 2, 2)
    x = x.permute(0, 1, 3, 5, 2, 4) if len(front) == 2 else x.permute(0, 1, 4, 6, 2, 3, 5)
    return conv(m[1], x.flatten(1, 3))


def up(m, x):
    if not hasattr(m, "net"):
        return x
    y = functional.silu(conv(m.net[0], x))
    b, c, *frames, h, w = y.shape
    y = y.reshape(b, c // 4, 2, 2, *frames, h, w)
    y = y.permute(0, 1, 4, 2, 5, 3) if not frames else y.permute(0, 1, 4, 5, 2, 6, 3)
    return y.reshape(b, c // 4, *frames, 2 * h, 2 * w)


def condition(network, name, log_snr):
    waves, layer, _ = network.get_submodule(f"{name}_hiddens")
    angles = log_snr[:, None] * waves.weights * 2 * math.pi
    hiddens = functional.silu(linear(layer, torch.cat([log_snr[:, None], angles.sin(), angles.cos()], dim=-1)))
    t = linear(network.get_submodule(f"{name}_cond")[0], hiddens)
    return t, linear(network.get_submodule(f"{name}_tokens")[0], hiddens).unflatten(-1, (2, -1))


def plain_unet(network, x, log_snr, low=None, low_log_snr=None):
    """Return what a network of ours predicts, from the same arguments."""
    video = x.dim() == 5
    t, tokens = condition(network, "to_time", log_snr)
    if low is not None:
        low_t, low_tokens = condition(network, "to_lowres_time", low_log_snr)
        t, tokens, x = t + low_t, torch.cat([tokens, low_tokens], dim=1), torch.cat([x, low], dim=1)
    c = functional.layer_norm(tokens, tokens.shape[-1:], network.norm_cond.weight, network.norm_cond.bias)
    x = torch.cat([conv(m, x) for m in network.init_conv.convs], dim=1)
    if low is not None:
        x = residual(network.init_resnet_block, x, t)
    if video:
        x = along_frames(network.init_temporal_peg, network.init_temporal_attn, x)
    skips = []
    for before, first, blocks, transformer, *rest in network.downs:
        x = residual(first, down(before, x), t, c)
        for m in blocks:
            x = residual(m, x, t)
            skips.append(x)
        x = attention(transformer, x, c)
        if video:
            x = along_frames(rest[0], rest[1], x)
        skips.append(x)
        x = down(rest[-1], x)
    x = attention(network.mid_attn, residual(network.mid_block1, x, t, c), c)
    if video:
        x = along_frames(network.mid_temporal_peg, network.mid_temporal_attn, x)
    x = residual(network.mid_block2, x, t, c)
    for first, blocks, transformer, *rest in network.ups:
        x = residual(first, torch.cat([x, skips.pop() * 2**-0.5], dim=1), t, c)
        for m in blocks:
            x = residual(m, torch.cat([x, skips.pop() * 2**-0.5], dim=1), t)
        x = attention(transformer, x, c)
        if video:
            x = along_frames(rest[0], rest[1], x)
        x = up(rest[-1], x)
    x = residual(network.final_res_block, x, t)
    return conv(network.final_conv, x if low is None else torch.cat([x, low], dim=1))
