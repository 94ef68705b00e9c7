"""CSPNet written plainly from its description: every edge gets its features anew in every layer.

The oracle of the tests and the yardstick of the benchmark. It has the same weights under the same names.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class PlainLayer(nn.Module):
    def __init__(self, width, frequencies):
        super().__init__()
        self.frequencies = frequencies
        self.edge_mlp = nn.Sequential(
            nn.Linear(2 * width + 9 + 6 * frequencies, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.node_mlp = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, nodes, cells, i, j, edge_structure, difference):
        h = self.layer_norm(nodes)
        angles = difference[:, :, None] * (2 * math.pi * torch.arange(self.frequencies, dtype=difference.dtype))
        angles = angles.reshape(len(difference), 3 * self.frequencies)
        features = torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
        metric = (cells @ cells.transpose(1, 2)).reshape(-1, 9)[edge_structure]
        messages = self.edge_mlp(torch.cat([h[i], h[j], metric, features], dim=1))
        sums = torch.zeros_like(h).index_add(0, i, messages)
        mean = sums / torch.bincount(i, minlength=len(h))[:, None]
        return nodes + self.node_mlp(torch.cat([h, mean], dim=1))


class PlainCSPNet(nn.Module):
    def __init__(self, max_z, width=256, layers=4, frequencies=128, time_dim=256):
        super().__init__()
        self.time_dim, self.n_layers = time_dim, layers
        self.node_embedding = nn.Embedding(max_z, width)
        self.atom_latent_emb = nn.Linear(width + time_dim, width)
        for number in range(layers):
            self.add_module(f"csp_layer_{number}", PlainLayer(width, frequencies))
        self.final_layer_norm = nn.LayerNorm(width)
        self.coord_out = nn.Linear(width, 3, bias=False)
        self.lattice_out = nn.Linear(width, 9, bias=False)

    def forward(self, times, numbers, fractional, cells, counts):
        structure = torch.repeat_interleave(torch.arange(len(counts)), counts)
        i, j = torch.nonzero(structure[:, None] == structure[None, :], as_tuple=True)
        difference = (fractional[j] - fractional[i]) % 1.0
        k = torch.arange(self.time_dim // 2, dtype=fractional.dtype)
        waves = times.to(fractional.dtype)[:, None] * 10000 ** (-k / (self.time_dim // 2 - 1))
        times = torch.cat([torch.sin(waves), torch.cos(waves)], dim=1)
        nodes = self.atom_latent_emb(torch.cat([self.node_embedding(numbers - 1), times[structure]], dim=1))
        for number in range(self.n_layers):
            nodes = self.get_submodule(f"csp_layer_{number}")(nodes, cells, i, j, structure[i], difference)
        nodes = self.final_layer_norm(nodes)
        means = torch.stack([nodes[structure == number].mean(dim=0) for number in range(len(counts))])
        return self.lattice_out(means).reshape(-1, 3, 3) @ cells, self.coord_out(nodes)
