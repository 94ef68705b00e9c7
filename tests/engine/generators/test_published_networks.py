"""CDVAE and DiffCSP give what the published code gave: see tests/data/published/README.md."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aiida_dismai.engine.generators.cdvae.config import CdvaeParameters
from aiida_dismai.engine.generators.cdvae.data import Limits
from aiida_dismai.engine.generators.cdvae.losses import Noise, losses
from aiida_dismai.engine.generators.cdvae.model import Cdvae
from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.generators.diffcsp.model import CSPNet
from aiida_dismai.engine.generators.diffcsp.noise import Schedule, wrapped_normal_score
from aiida_dismai.engine.generators.graphs.batch import Batch
from aiida_dismai.engine.generators.graphs.edges import Edges, radius_edges
from aiida_dismai.engine.generators.graphs.lattice import cells_of

FOLDER = Path(__file__).parents[2] / "data" / "published"
CUTOFF, NEIGHBOURS = 4.0, 10
#: The file, a network with the weights of the rule, its hyper-parameters, the structures, the encoder's edges.
Scene = tuple[dict[str, Any], Cdvae, CdvaeParameters, Batch, Edges]


def read(name: str) -> dict[str, Any]:
    """Return a file with its lists as tensors, whole numbers as int64 and others as float64."""

    def tensors(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: tensors(each) for key, each in value.items()}
        return torch.from_numpy(np.asarray(value)) if isinstance(value, list) else value

    return dict(tensors(json.loads((FOLDER / name).read_text())))


@torch.no_grad()
def fill(network: nn.Module) -> None:
    """Give a network the weights of the rule."""
    for name, weight in network.named_parameters():
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(weight.shape))
        factor = 0.5 * weight.shape[-1] ** -0.5 if weight.dim() > 1 else 0.1
        weight.copy_(torch.from_numpy(values * factor))


def same(found: Tensor, expected: Tensor, digits: float = 1e-10) -> None:
    torch.testing.assert_close(found.detach(), expected, rtol=digits, atol=digits * float(expected.abs().max()))


# ---------------------------------------------------------------------- DiffCSP
@pytest.mark.parametrize("recompute", [False, True])
def test_cspnet(recompute: bool) -> None:
    given = read("diffcsp.json")
    sizes = {"hidden_dim": 12, "num_layers": 2, "num_frequencies": 5, "time_dim": 8}
    network = CSPNet(27, DiffcspParameters(**sizes, recompute=recompute)).double()
    fill(network)
    lattice, coordinates = network(
        given["times"], given["numbers"], given["fractional"], given["cells"], given["counts"]
    )
    same(lattice, given["published"]["lattice"])
    same(coordinates, given["published"]["coordinates"])


def test_score_and_schedule_of_diffcsp() -> None:
    given = read("diffcsp.json")
    for sigma, expected in zip(given["sigmas"].tolist(), given["published"]["scores"], strict=True):
        same(wrapped_normal_score(given["displacements"] * sigma, sigma), expected)
    same(Schedule.build(1000, 0.005, 0.1).alphas[::100], given["published"]["alphas_every_100"])


# ---------------------------------------------------------------------- CDVAE
@pytest.fixture
def cdvae() -> Scene:
    given = read("cdvae.json")
    parameters = CdvaeParameters(
        latent_dim=6, cutoff=CUTOFF, max_neighbours=NEIGHBOURS, n_spherical=4, head_channels=10,
        encoder_channels=12, encoder_blocks=2, encoder_triplet_channels=8, encoder_output_channels=14, encoder_radial=4,
        decoder_channels=16, decoder_blocks=2, decoder_triplet_channels=8, decoder_radial=12,
        fit_scale_factors=False, denoise_species=True, noise_levels=6, sigma_begin=2.0,
    )  # fmt: skip
    network = Cdvae(parameters, Limits(given["max_atoms"], given["max_atomic_number"])).double()
    fill(network)
    network.fit_lattice(given["lengths"], given["angles"], given["counts"])
    cells = cells_of(given["lengths"], given["angles"])
    batch = Batch(given["numbers"], given["fractional"], cells, given["counts"])
    return given, network, parameters, batch, radius_edges(batch.cartesian(), cells, batch.counts, CUTOFF, NEIGHBOURS)


def test_encoder_and_heads(cdvae: Scene) -> None:
    given, network, _, batch, edges = cdvae
    mean, log_variance = network.encode(batch, edges)
    same(mean, given["published"]["mean"], 1e-7)  # the zeros of its Bessel functions are rounded to float32
    same(log_variance, given["published"]["log_variance"], 1e-7)
    heads = network.heads(given["latent"])
    for name, expected in given["published"]["heads"].items():
        same(getattr(heads, name), expected)


def test_decoder(cdvae: Scene) -> None:
    given, network, _, batch, _ = cdvae
    displacement, scores = network.decoder(given["latent"], batch.fractional, batch.numbers, batch.counts, batch.cells)
    same(displacement, given["published"]["displacement"])
    assert scores is not None
    same(scores, given["published"]["species_scores"])


@pytest.mark.parametrize("lattice", ["given", "predicted"])
def test_losses(cdvae: Scene, lattice: str) -> None:
    given, network, parameters, batch, edges = cdvae
    noise = Noise(given["latent"], given["level"], given["coordinates"], given["species_level"], given["species"])
    found = losses(network, batch, edges, noise, parameters, true_lattice=lattice == "given")
    for name, expected in given["published"]["losses"][lattice].items():
        assert found[name].item() == pytest.approx(expected, rel=1e-7), name
