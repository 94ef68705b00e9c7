"""Group norm, scale and shift, SiLU in one: values and gradients beside torch's own operations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from aiida_dismai.engine.generators.unets import activation


def plain(x, groups, weight, bias, scale, shift, eps):
    y = functional.group_norm(x.movedim(-1, 1), groups, weight, bias, eps).movedim(1, -1)
    return functional.silu(y if scale is None else y * (1 + scale) + shift)


def scene(dtype, with_scale, offset=0.0):
    """Two images of 5 × 3 pixels and 16 channels."""
    random = torch.Generator().manual_seed(1)
    shapes = {"x": (2, 5, 3, 16), "weight": (16,), "bias": (16,), "scale": (2, 1, 1, 16), "shift": (2, 1, 1, 16)}
    values = {
        name: torch.randn(shape, generator=random, dtype=torch.float64).to(dtype) for name, shape in shapes.items()
    }
    values["x"] = values["x"] * 3 + offset
    if not with_scale:
        values["scale"] = values["shift"] = None
    return {name: value if value is None else value.requires_grad_() for name, value in values.items()}


def arguments(given):
    return given["x"], 8, given["weight"], given["bias"], given["scale"], given["shift"], 1e-5


@pytest.mark.parametrize("with_scale", [False, True])
@pytest.mark.parametrize("chunk", [1, 64, 10**6])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_values_and_gradients(monkeypatch, with_scale, chunk, dtype, bound):
    """Whatever the size of the chunks; the mean of the images is ten times their spread."""
    monkeypatch.setattr(activation, "CHUNK", chunk)
    given = scene(dtype, with_scale, offset=30.0)
    leaves = [value for value in given.values() if value is not None]
    seen = [torch.randn(2, 5, 3, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)]
    found = activation.norm_silu(*arguments(given))
    expected = plain(*arguments(given))
    torch.testing.assert_close(found, expected, atol=bound, rtol=bound)
    ours, theirs = (torch.autograd.grad(value, leaves, seen) for value in (found, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=bound * float(other.abs().max()), rtol=bound)


@pytest.mark.parametrize("with_scale", [False, True])
def test_gradients_are_those_of_differences(with_scale):
    given = scene(torch.float64, with_scale)
    leaves = tuple(value for value in given.values() if value is not None)

    def work(x, weight, bias, scale=None, shift=None):
        return activation.norm_silu(x, 8, weight, bias, scale, shift, 1e-5)

    assert torch.autograd.gradcheck(work, leaves)


def test_bfloat16_keeps_its_type_and_sums_in_float32():
    given = scene(torch.float32, True)
    half = {name: value.detach().bfloat16().requires_grad_() for name, value in given.items()}
    for name in ("weight", "bias"):
        half[name] = given[name].detach().clone().requires_grad_()
    found = activation.norm_silu(*arguments(half))
    assert found.dtype == torch.bfloat16
    exact = plain(*(value.detach().float() if isinstance(value, torch.Tensor) else value for value in arguments(half)))
    torch.testing.assert_close(found.float(), exact, atol=0.02, rtol=0.01)
    found.sum().backward()
    assert {name: value.grad.dtype for name, value in half.items()} == {
        name: torch.float32 if name in ("weight", "bias") else torch.bfloat16 for name in half
    }


def test_only_the_input_is_kept():
    """Nothing else of the size of the image is kept for the backward pass."""
    given = scene(torch.float32, True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        activation.norm_silu(*arguments(given))
    assert [value.data_ptr() for value in kept if value.numel() >= given["x"].numel()] == [given["x"].data_ptr()]


def test_the_way_of_a_gpu_gives_the_same(monkeypatch):
    given = scene(torch.float64, True)
    expected = activation.norm_silu(*arguments(given))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(activation.norm_silu(*arguments(given)), expected, atol=1e-12, rtol=1e-12)
