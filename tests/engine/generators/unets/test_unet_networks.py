"""The three networks give what the published ones give: see tests/data/published/unets/README.md."""

from __future__ import annotations

import json

import pytest
import torch
from support import published_unets as published

from aiida_dismai.engine.generators.unets.networks import VideoUNet
from aiida_dismai.engine.generators.unets.temporal import FrameAttention

pytestmark = pytest.mark.engine
BLOCKS = json.loads((published.FOLDER / "blocks.json").read_text())
#: dtype, bound on the outputs of networks, bound on those of blocks
PRECISIONS = {"float64": (torch.float64, 1e-10, 1e-10), "float32": (torch.float32, 2e-5, 2.5e-5)}


def channels_last(x):
    """Return a published image or video as the blocks take it; time vectors and tokens as they are."""
    return x.movedim(1, -1).flatten(1, -3) if x.dim() > 3 else x


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", published.NETWORKS)
def test_outputs(name, precision):
    dtype, bound, _ = PRECISIONS[precision]
    given = published.read(name)
    arguments = [given[key].to(dtype) for key in ("x", "log_snr", "lowres", "lowres_log_snr") if key in given]
    with torch.no_grad():
        found = published.network(name, dtype)(*arguments)
    assert found.shape == given["y"].shape
    expected = given["y"] if precision == "float64" else given["y_f32"]
    assert (found - expected).abs().max() < bound


@pytest.mark.parametrize("case", ["1frame", "8x8"])
def test_one_frame_and_larger_frames(case):
    given = published.read("unet3d")
    with torch.no_grad():
        found = published.network("unet3d")(given[f"x_{case}"], given["log_snr_1frame_8x8"])
    assert (found - given[f"y_{case}"]).abs().max() < 1e-10


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", published.NETWORKS)
def test_blocks(name, precision):
    dtype, _, bound = PRECISIONS[precision]
    network, arrays = published.network(name, dtype), published.read(f"blocks_{name}")
    assert len(BLOCKS[name]) > 20
    for block, entry in BLOCKS[name].items():
        inputs = [channels_last(arrays[key]).to(dtype) for key in entry["inputs"]]
        if block == "mid_attn" and name == "unet3d":
            inputs = [inputs[0][:, :, None]]
        if block.endswith("rel_pos_bias"):
            inputs = [6]
        with torch.no_grad():
            found = network.get_submodule(block)(*inputs)
        expected = channels_last(arrays[entry["output"]])
        assert found.numel() == expected.numel(), block
        difference = (found.reshape(expected.shape) - expected).abs().max()
        assert difference < bound, (block, difference)


@pytest.mark.parametrize("name", published.NETWORKS)
def test_names_shapes_and_counts_at_width_64(name):
    kind, channels = published.NETWORKS[name]
    with torch.device("meta"):
        found = {key: list(value.shape) for key, value in kind(channels, 64).named_parameters()}
    left_out = published.unused(name)
    assert found == {key: shape for key, shape, *_ in published.parameters(name) if key not in left_out}
    assert all(key.startswith(("attn_pool.", "null_text_")) or key.endswith("null_attn_bias") for key in left_out)
    count = sum(torch.Size(shape).numel() for shape in found.values())
    summary = json.loads((published.FOLDER / "summary.json").read_text())[name]
    assert count == summary["effective"] == summary["parameters"] - summary["never_used"]
    assert summary["parameters"] == {"unet": 19_350_111, "srunet": 47_498_114, "unet3d": 23_480_966}[name]


@pytest.mark.parametrize("name", published.NETWORKS)
def test_initial_weights(name):
    """Each weight follows its published distribution: constants exactly, uniform ones in their bounds and near them."""
    kind, channels = published.NETWORKS[name]
    torch.manual_seed(1)
    network = kind(channels, 16)
    weights = dict(network.named_parameters())
    for key, _, _, initial, used in published.parameters(name):
        if not used:
            continue
        weight = weights[key].detach()
        if initial in ("0", "1"):
            assert torch.equal(weight, torch.full_like(weight, float(initial))), key
        elif initial == "D":
            assert torch.equal(weight[:, :, 1], torch.eye(len(weight))), key
            assert not weight[:, :, ::2].any(), key
        elif initial == "S":
            filters = weight.flatten(1).reshape(-1, 4, weight[0].numel())
            assert torch.equal(filters, filters[:, :1].expand_as(filters)), key
            bound = (6 / weight.shape[1]) ** 0.5
            assert 0.9 * bound < weight.abs().max() <= bound, key
        elif initial == "U":
            kernel = weights[key.rsplit(".", 1)[0] + ".weight"]
            bound = (kernel[0].numel()) ** -0.5
            assert weight.abs().max() <= bound * (1 + 1e-6), key
            assert weight.abs().max() > 0.9 * bound or weight.numel() < 64, key
        else:
            assert initial == "N", key
            assert weight.numel() < 64 or 0.7 < weight.std() < 1.3, key


def test_an_untrained_video_block_delays_by_one_frame():
    block = VideoUNet(3, 8).final_res_block.block1.project.temporal_conv
    video = torch.arange(1.0, 6.0)[:, None, None].expand(5, 4, 8).reshape(1, 5, 4, 8)[:, :, :1]
    assert torch.equal(block(video).flatten(2)[0, :, 0], torch.arange(5.0))


def test_chunks_of_pixels_change_nothing(monkeypatch):
    torch.manual_seed(0)
    attention = FrameAttention(8).double()
    torch.nn.init.ones_(attention.to_out[1].g)
    x = torch.randn(9, 5, 8, dtype=torch.float64)

    def gradients():
        attention.zero_grad()
        y = attention(x)
        (y**2).sum().backward()
        return [y.detach(), *(weight.grad.clone() for weight in attention.parameters())]

    whole = gradients()
    monkeypatch.setattr("aiida_dismai.engine.generators.unets.temporal.MAX_SIMILARITIES", 2 * 8 * 5 * 6)
    for expected, found in zip(whole, gradients(), strict=True):
        torch.testing.assert_close(found, expected)
