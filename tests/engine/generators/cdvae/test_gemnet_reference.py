"""GemNet-T written out plainly from the paper and the published code: loops over images and triplets, one tensor per
triplet, every linear map on concatenated features. It reads the state by its published names, so it tests those too.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre
from torch.nn import functional

from aiida_dismai.engine.generators.cdvae.gemnet import GemNetT, from_published
from aiida_dismai.engine.generators.cdvae.gemnet_blocks import Bilinear, Widths

TINY = Widths(atom=12, edge=10, triplet=6, bilinear=5, radial=4, circular=3, n_spherical=7, n_radial=9)
CELL = np.array([[4.1, 0.2, -0.3], [1.0, 5.2, 0.4], [-0.5, 0.7, 6.3]])


def plain_edges(fractional, cell, cutoff, max_neighbours):
    """Return source, target, vector from source to target and the index of the counter-edge of each edge."""
    positions = fractional @ cell
    kept = []
    for target in range(len(positions)):
        found = []
        for source in range(len(positions)):
            for image in itertools.product(range(-4, 5), repeat=3):
                vector = positions[source] + np.array(image) @ cell - positions[target]
                if 1e-2 < np.linalg.norm(vector) <= cutoff:
                    found.append((np.linalg.norm(vector), source, image, vector))
        for _, source, image, vector in sorted(found, key=lambda entry: entry[0])[:max_neighbours]:
            if source < target or (source == target and image < (0, 0, 0)):
                kept.append((source, target, -vector))
    half = len(kept)
    both = kept + [(target, source, -vector) for source, target, vector in kept]
    source, target, vector = (np.array(values) for values in zip(*both, strict=True))
    return source, target, vector, np.concatenate([np.arange(half) + half, np.arange(half)])


def silu(values):
    return values / (1 + torch.exp(-values)) / 0.6


class Plain:
    """The published forward pass with the state of a network."""

    def __init__(self, network):
        self.state = network.state_dict()
        self.blocks = network.num_blocks
        self.cutoff, self.max_neighbours = network.cutoff, network.max_neighbours

    def weight(self, name):
        return self.state[f"{name}.weight"]

    def dense(self, name, values):
        return silu(values @ self.weight(f"{name}.linear").T)

    def linear(self, name, values):
        return values @ self.weight(f"{name}.linear").T

    def residual(self, name, values):
        return (values + self.dense(f"{name}.dense_mlp.1", self.dense(f"{name}.dense_mlp.0", values))) / 2**0.5

    def tower(self, name, values, residuals):
        values = self.dense(f"{name}.0", values)
        for layer in range(1, residuals + 1):
            values = self.residual(f"{name}.{layer}", values)
        return values

    def scale(self, name, values):
        return values * self.state[f"{name}.scale_factor"]

    def __call__(self, z, fractional, numbers, cell):
        source, target, vectors, swap = plain_edges(fractional.numpy(), cell, self.cutoff, self.max_neighbours)
        lengths = np.linalg.norm(vectors, axis=1)
        directions = vectors / lengths[:, None]
        ca, ba = np.array(
            [(c, b) for c in range(len(target)) for b in range(len(target)) if target[b] == target[c] and b != c]
        ).T
        cosines = np.sum(directions[ca] * directions[ba], axis=1)
        harmonics = torch.tensor(
            np.stack([np.sqrt((2 * k + 1) / (4 * np.pi)) * eval_legendre(k, cosines) for k in range(7)], axis=1)
        )
        x = lengths / self.cutoff
        centres = np.linspace(0, 1, TINY.n_radial)
        inside = np.where(x < 1, 1 - 21 * x**5 + 35 * x**6 - 15 * x**7, 0)
        width = centres[1] - centres[0]
        rbf = torch.tensor(inside[:, None] * np.exp(-((x[:, None] - centres) ** 2) / (2 * width**2)))
        # Every triplet's basis: radial functions of c → a times harmonics of the angle.
        cbf = torch.einsum("tr,ts,sri->ti", rbf[ca], harmonics, self.weight("mlp_cbf3"))
        rbf3, rbf_h, rbf_out = (self.linear(name, rbf) for name in ("mlp_rbf3", "mlp_rbf_h", "mlp_rbf_out"))
        n = len(numbers)

        atoms = self.weight("atom_emb.embeddings")[numbers - 1]
        if z is not None:
            mix = torch.cat([atoms, z.expand(n, -1)], dim=1)
            atoms = mix @ self.weight("atom_latent_emb").T + self.state["atom_latent_emb.bias"]
        edges = self.dense("edge_emb.dense", torch.cat([atoms[source], atoms[target], rbf], dim=1))

        def sum_edges(values):
            return torch.stack([values[target == atom].sum(dim=0) for atom in range(n)])

        def push(block, edges):
            name = f"out_blocks.{block}"
            values = self.tower(f"{name}.seq_forces", edges, 3)
            values = self.scale(f"{name}.scale_rbf_F", values * self.linear(f"{name}.dense_rbf_F", rbf_out))
            return self.linear(f"{name}.out_forces", values)

        total = push(0, edges)
        for block in range(self.blocks):
            name = f"int_blocks.{block}"
            trip = f"{name}.trip_interaction"
            message = self.dense(f"{trip}.dense_ba", edges)
            message = self.scale(f"{trip}.scale_rbf", message * self.linear(f"{trip}.mlp_rbf", rbf3))
            message = self.dense(f"{trip}.down_projection", message)
            bilinear = torch.einsum("ti,tm,miu->tu", cbf, message[ba], self.weight(f"{trip}.mlp_cbf"))
            summed = torch.stack([bilinear[ca == edge].sum(dim=0) for edge in range(len(target))])
            summed = self.scale(f"{trip}.scale_cbf_sum", summed)
            update = self.dense(f"{trip}.up_projection_ca", summed)
            update = (update + self.dense(f"{trip}.up_projection_ac", summed)[swap]) / 2**0.5
            update = (self.dense(f"{name}.dense_ca", edges) + update) / 2**0.5
            edges = (edges + self.residual(f"{name}.layers_before_skip.0", update)) / 2**0.5
            for layer in (0, 1):
                edges = self.residual(f"{name}.layers_after_skip.{layer}", edges)
            update = f"{name}.atom_update"
            summed = self.scale(f"{update}.scale_sum", sum_edges(edges * self.linear(f"{update}.dense_rbf", rbf_h)))
            atoms = (atoms + self.tower(f"{update}.layers", summed, 3)) / 2**0.5
            update = self.dense(f"{name}.concat_layer.dense", torch.cat([atoms[source], atoms[target], edges], dim=1))
            edges = (edges + self.residual(f"{name}.residual_m.0", update)) / 2**0.5
            total = total + push(block + 1, edges)
        return atoms, sum_edges(total * torch.tensor(directions))


@pytest.mark.parametrize(
    ("n_atoms", "max_neighbours", "cutoff"), [(5, 20, 4.0), (5, 6, 5.0), (1, 20, 7.0), (7, 9, 3.5)]
)
@pytest.mark.parametrize("steered", [True, False])
def test_the_forward_pass_is_the_plain_one(n_atoms, max_neighbours, cutoff, steered):
    random = torch.Generator().manual_seed(n_atoms)
    network = GemNetT(8, cutoff, max_neighbours, max_z=20, num_blocks=2, widths=TINY, random=random).double()
    fractional = torch.rand(n_atoms, 3, generator=random, dtype=torch.float64)
    numbers = torch.randint(1, 21, (n_atoms,), generator=random)
    z = torch.randn(1, 8, generator=random, dtype=torch.float64) if steered else None
    cells = torch.tensor(CELL)[None]
    with torch.no_grad():
        atoms, displacements = network(z, fractional, numbers, torch.tensor([n_atoms]), cells)
        plain_atoms, plain_displacements = Plain(network)(z, fractional, numbers, CELL)
    assert plain_displacements.abs().max() > 1e-3 or n_atoms == 1
    assert torch.allclose(atoms, plain_atoms, rtol=1e-10, atol=1e-11)
    assert torch.allclose(displacements, plain_displacements, rtol=1e-10, atol=1e-11)


def test_the_bilinear_layer_is_the_plain_sum_over_triplets():
    random = torch.Generator().manual_seed(1)
    network = GemNetT(4, 4.0, 12, max_z=5, num_blocks=1, widths=TINY, random=random).double()
    near = network.neighbourhoods(
        torch.rand(6, 3, generator=random, dtype=torch.float64),
        torch.tensor([2, 4]),
        torch.tensor(np.stack([CELL] * 2)),
    )
    n_edges = len(near.source)
    messages = torch.randn(n_edges, 6, generator=random, dtype=torch.float64)
    circular = torch.randn(n_edges, 3, 7, generator=random, dtype=torch.float64)
    layer = network.int_blocks[0].trip_interaction.mlp_cbf
    assert isinstance(layer, Bilinear)
    expected = torch.zeros(n_edges, 5, dtype=torch.float64)
    for out, into in itertools.product(range(n_edges), repeat=2):
        if near.target[out] == near.target[into] and out != into:
            cosine = float((near.directions[out] * near.directions[into]).sum())
            harmonics = torch.tensor([np.sqrt((2 * k + 1) / (4 * np.pi)) * eval_legendre(k, cosine) for k in range(7)])
            expected[out] += torch.einsum("is,s,m,miu->u", circular[out], harmonics, messages[into], layer.weight)

    class Bases:
        angles = near.angles(7)

    Bases.circular = circular
    assert torch.allclose(layer(messages, Bases, near), expected, rtol=1e-11, atol=1e-12)


def test_the_activation_is_scaled_silu():
    from aiida_dismai.engine.generators.cdvae.gemnet_layers import scaled_silu

    values = torch.linspace(-5, 5, 50, dtype=torch.float64)
    assert torch.allclose(scaled_silu(values), silu(values))
    assert torch.allclose(scaled_silu(values) * 0.6, functional.silu(values))


def test_published_states_load_and_foreign_ones_are_refused():
    network, other = (GemNetT(4, num_blocks=1, widths=TINY, max_z=5) for _ in range(2))
    published = {f"decoder.gemnet.{name}": value for name, value in network.state_dict().items()}
    published |= {
        "decoder.gemnet.radial_basis.rbf.offset": torch.zeros(9),
        "decoder.gemnet.cbf_basis3.radial_basis.rbf.offset": torch.zeros(9),
        "decoder.fc_atom.weight": torch.zeros(5, 12),
        "fc_mu.weight": torch.zeros(2, 2),
    }
    for name, value in network.state_dict().items():
        if ".seq_energy." in name:
            published[f"decoder.gemnet.{name.replace('seq_energy', 'layers')}"] = value
    other.load_state_dict(from_published(published))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())
    other.load_state_dict(from_published({f"gemnet.{name}": value for name, value in network.state_dict().items()}))
    with pytest.raises(Exception, match=r"atom_emb\.embeddings\.weight"):
        from_published({"conv.weight": torch.zeros(1)})
