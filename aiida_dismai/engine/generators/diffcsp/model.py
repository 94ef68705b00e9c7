"""CSPNet, the network of DiffCSP, with the published names of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ...errors import BadWeights
from ...structures import StructureSet
from ..graphs.batch import structure_of
from ..trainable import count_parameters
from .config import DiffcspParameters
from .messages import Terms, sum_messages
from .pairs import Pairs, build_pairs

#: Published weights that ours lack: schedules, which follow from the hyper-parameters.
SCHEDULES = ("beta_scheduler.", "sigma_scheduler.")
#: The time embedding's longest wave is 2π times this many steps.
LONGEST_WAVE = 10000.0


def time_embedding(times: Tensor, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return sines, then cosines, of the time step times falling frequencies.

    Args:
        times: time steps, ``(B,)``.
        width: how many numbers, even.
        dtype: of the result.

    Returns:
        ``(B, width)``.
    """
    half = width // 2
    exponents = torch.arange(half, device=times.device, dtype=dtype) * (-math.log(LONGEST_WAVE) / (half - 1))
    angles = times.to(dtype)[:, None] * torch.exp(exponents)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class CSPLayer(nn.Module):
    """One round of messages between all atoms of a structure."""

    def __init__(self, width: int, n_frequencies: int, recompute: bool) -> None:
        """Build the two networks, of the edges and of the nodes."""
        super().__init__()
        self.width, self.n_features, self.recompute = width, 3 * n_frequencies, recompute
        self.edge_mlp = nn.Sequential(
            nn.Linear(2 * width + 9 + 2 * self.n_features, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.node_mlp = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.layer_norm = nn.LayerNorm(width)

    def columns(self) -> tuple[Tensor, ...]:
        """Return the weights of the first linear layer by what they multiply: h_i, h_j, L Lᵀ, sines, cosines; views."""
        first = self.edge_mlp[0]
        assert isinstance(first, nn.Linear)
        return first.weight.split([self.width, self.width, 9, self.n_features, self.n_features], dim=1)

    def forward(self, nodes: Tensor, metric: Tensor, pairs: Pairs, structure: Tensor, per_atom: Tensor) -> Tensor:
        """Return the nodes after this layer.

        Args:
            nodes: ``(N, H)``.
            metric: L Lᵀ of each structure, ``(B, 9)``.
            pairs: of atoms.
            structure: of each atom, ``(N,)``.
            per_atom: number of atoms of its structure, ``(N, 1)``.
        """
        h = self.layer_norm(nodes)
        first, second = self.edge_mlp[0], self.edge_mlp[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        target, source, lattice, sine, cosine = self.columns()
        # some hundred Å² of a large cell: not to be rounded to bfloat16
        with torch.autocast(nodes.device.type, enabled=False):
            given = linear(metric, lattice, first.bias)[structure]
        terms = Terms(linear(h, target) + given, linear(h, source), sine, cosine)
        received = sum_messages(terms, second.weight, second.bias, pairs, self.recompute) / per_atom
        updated = self.node_mlp(torch.cat([h, received], dim=1))
        return nodes + updated


class CSPNet(nn.Module):
    """Noise of coordinates and lattice, from a noisy structure and its time step."""

    def __init__(self, max_z: int, parameters: DiffcspParameters) -> None:
        """Build the network for atomic numbers up to ``max_z``."""
        super().__init__()
        width = parameters.hidden_dim
        self.time_dim, self.n_frequencies = parameters.time_dim, parameters.num_frequencies
        self.node_embedding = nn.Embedding(max_z, width)
        self.atom_latent_emb = nn.Linear(width + parameters.time_dim, width)
        self.layers = [f"csp_layer_{number}" for number in range(parameters.num_layers)]
        for name in self.layers:
            self.add_module(name, CSPLayer(width, parameters.num_frequencies, parameters.recompute))
        self.final_layer_norm = nn.LayerNorm(width)
        self.coord_out = nn.Linear(width, 3, bias=False)
        self.lattice_out = nn.Linear(width, 9, bias=False)

    @torch.no_grad()
    def shrink_lattice_weights(self, square: float) -> None:
        """Divide the weights that multiply L Lᵀ in every layer.

        Args:
            square: typical square of a lattice vector's length, Å².
        """
        for name in self.layers:
            layer = self.get_submodule(name)
            assert isinstance(layer, CSPLayer)
            layer.columns()[2].div_(square)

    def forward(
        self, times: Tensor, numbers: Tensor, fractional: Tensor, cells: Tensor, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the predicted noise.

        Args:
            times: time step of each structure, ``(B,)``.
            numbers: atomic numbers, ``(N,)``.
            fractional: coordinates, ``(N, 3)``; only their differences modulo 1 matter.
            cells: rows are the lattice vectors, Å, ``(B, 3, 3)``.
            counts: atoms of each structure, ``(B,)``.

        Returns:
            Of the lattice, ``(B, 3, 3)``, and the score of the coordinates over its root mean square, ``(N, 3)``.
        """
        structure = structure_of(counts, len(numbers))
        per_atom = counts[structure][:, None].to(fractional.dtype)
        pairs = build_pairs(fractional, counts.tolist(), self.n_frequencies)
        metric = (cells[:, :, None, :] * cells[:, None, :, :]).sum(dim=-1).reshape(-1, 9)
        times = time_embedding(times, self.time_dim, fractional.dtype)[structure]
        nodes = self.atom_latent_emb(torch.cat([self.node_embedding(numbers - 1), times], dim=1))
        for name in self.layers:
            nodes = self.get_submodule(name)(nodes, metric, pairs, structure, per_atom)
        nodes = self.final_layer_norm(nodes)
        sums = nodes.new_zeros(len(counts), nodes.shape[1]).index_add(0, structure, nodes)
        lattice = self.lattice_out(sums / counts[:, None]).reshape(-1, 3, 3)
        with torch.autocast(nodes.device.type, enabled=False):
            return lattice.to(cells.dtype) @ cells, self.coord_out(nodes.to(cells.dtype))


def parts(template: StructureSet, parameters: DiffcspParameters) -> dict[str, int]:
    """Return the number of trainable parameters for structures like ``template``; see ``PartsFunction``."""
    with torch.device("meta"):
        return {"network": count_parameters(CSPNet(int(template.numbers.max()), parameters))}


def from_published(state: Mapping[str, Tensor], max_z: int) -> dict[str, Tensor]:
    """Turn the state of a published DiffCSP, or of its network alone, into one of :class:`CSPNet`.

    Args:
        state: ``CSPDiffusion.state_dict()``, whose names begin with ``decoder.``, or ``CSPNet.state_dict()``.
        max_z: highest atomic number of our network; published embeddings reach further.

    Raises:
        BadWeights: nothing in it is of a CSPNet, or its embeddings end before ``max_z``.
    """
    ours = {name.removeprefix("decoder."): value for name, value in state.items() if not name.startswith(SCHEDULES)}
    table = ours.get("node_embedding.weight")
    if table is None or table.dim() != 2:
        raise BadWeights("these weights hold no published CSPNet: a table 'node_embedding.weight' is not among them")
    if len(table) < max_z:
        raise BadWeights(f"the published embeddings end at atomic number {len(table)}, before {max_z}")
    return ours | {"node_embedding.weight": table[:max_z]}
