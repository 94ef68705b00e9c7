"""Energies, forces and stresses of any number of structures at once, by a trained potential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..device import matrix_products
from .bonds import BondList, Joined, join
from .contract import Energetics
from .folder import network_of
from .m3gnet import BondNetwork

if TYPE_CHECKING:
    from .folder import TrainedPotential


#: Atoms at once on a CPU.
CPU_ATOMS = 1056
#: Part of a GPU's free memory that a batch may take; structures differ in their numbers of bonds.
GPU_SHARE = 0.7


class Site:
    """One structure that is evaluated again and again; keeps its list of bonds.

    Args:
        evaluator: that will be asked.
        numbers: ``(m,)`` atomic numbers, all known.
        pbc: ``(3,)``.
    """

    def __init__(self, evaluator: TrainedEvaluator, numbers: NDArray[np.integer], pbc: NDArray[np.bool_]) -> None:
        trained = evaluator.trained
        lookup = np.full(119, -1)
        lookup[list(trained.builder.numbers)] = np.arange(len(trained.builder.numbers))
        self.numbers, self.pbc, self.types = numbers.copy(), np.array(pbc, dtype=bool), lookup[numbers]
        self.reference = trained.reference_energy(numbers)
        self.bonds = BondList(trained.builder.cutoff, pbc)


class TrainedEvaluator:
    """Evaluates a trained potential on batches.

    Args:
        trained: the potential.
        precision: of the network: ``float32``; ``float64``; ``tf32`` (products of matrices in TensorFloat-32, on GPUs
            that have it) and ``bf16`` (products in bfloat16) are faster and coarser.
        compiled: let ``torch.compile`` fuse the network's operations; the first calls take minutes.
    """

    def __init__(self, trained: TrainedPotential, precision: str = "float32", compiled: bool = False) -> None:
        self.trained = trained
        self.precision = precision
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        scale = float(trained.config["data_std"])
        network = BondNetwork(network_of(trained.potential), scale).eval().requires_grad_(False)
        network = network.to(device=trained.device, dtype=self.dtype)
        self.network: Any = network.reduce(torch.bfloat16) if precision == "bf16" else network
        if compiled:
            network.of_atoms = torch.compile(network.of_atoms, dynamic=True)  # type: ignore[method-assign]
        self.calls = 0
        self._joined: tuple[tuple[tuple[int, int], ...], Joined] | None = None

    def site(self, numbers: NDArray[np.integer], pbc: NDArray[np.bool_]) -> Site:
        """Return what is kept of a structure with these atomic numbers ``(m,)`` and periodic axes ``(3,)``."""
        return Site(self, numbers, pbc)

    def batch_atoms(self, site: Site, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> int:
        """Return how many atoms fit: on a GPU from the memory that one structure takes, else :data:`CPU_ATOMS`.

        A CPU gains nothing from larger batches; they only have to fit.
        """
        if torch.device(self.trained.device).type != "cuda":
            return CPU_ATOMS
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.evaluate([site], [positions], [cell])
        torch.cuda.synchronize()
        taken = max(1, torch.cuda.max_memory_allocated() - before)
        free, _ = torch.cuda.mem_get_info()
        return max(len(positions), int(GPU_SHARE * free / taken * len(positions)))

    def evaluate(
        self,
        sites: Sequence[Site],
        positions: Sequence[NDArray[np.float64]],
        cells: Sequence[NDArray[np.float64]],
        stress: bool = False,
    ) -> list[Energetics]:
        """Return energies, forces and, if asked for, stresses.

        Args:
            sites: the structures.
            positions: of each, ``(m, 3)`` finite, Å.
            cells: of each, ``(3, 3)`` finite, Å.
            stress: whether to compute the stress.
        """
        for site, place, cell in zip(sites, positions, cells, strict=True):
            site.bonds.update(place, cell)
        self.calls += 1
        joined = self._join(sites)
        device, n = self.trained.device, len(sites)
        coordinates = torch.from_numpy(np.concatenate(positions) if n > 1 else np.ascontiguousarray(positions[0]))
        coordinates = coordinates.to(device)
        listed = coordinates.index_select(0, joined.second) - coordinates.index_select(0, joined.first) + joined.shifts
        squares = listed.square().sum(dim=1)
        near = (squares <= self.trained.builder.cutoff**2).nonzero().squeeze(1)
        first, second = joined.first.index_select(0, near), joined.second.index_select(0, near)
        bonds = listed.index_select(0, near)
        vectors = bonds.detach().to(self.dtype).requires_grad_(True)
        with matrix_products(self.precision):
            energies = self.network(joined.types, first, second, vectors, joined.structure, n)
            (slopes,) = torch.autograd.grad(energies.sum(), vectors)
        slopes = slopes.double()
        forces = torch.zeros_like(coordinates).index_add(0, first, slopes).index_add(0, second, -slopes)
        totals = energies.detach().cpu().numpy()
        all_forces = forces.cpu().numpy()
        virials = self._virials(bonds, slopes, joined.structure.index_select(0, first), n) if stress else None
        found, start = [], 0
        for i, site in enumerate(sites):
            end = start + len(site.types)
            tensor = None if virials is None else virials[i] / abs(np.linalg.det(cells[i]))
            found.append(Energetics(float(totals[i]) + site.reference, all_forces[start:end], tensor))
            start = end
        return found

    @staticmethod
    def _virials(bonds: torch.Tensor, slopes: torch.Tensor, owner: torch.Tensor, n: int) -> NDArray[np.float64]:
        """Return the derivatives of the energies with respect to a strain, ``(n, 3, 3)`` eV, symmetric."""
        each = (bonds[:, :, None] * slopes[:, None, :]).reshape(-1, 9)
        found = torch.zeros(n, 9, dtype=torch.float64, device=bonds.device).index_add(0, owner, each)
        whole = found.reshape(n, 3, 3).cpu().numpy()
        return np.asarray(0.5 * (whole + whole.transpose(0, 2, 1)))

    def _join(self, sites: Sequence[Site]) -> Joined:
        """Return the lists of all structures on the device; put together again only where one has changed."""
        key = tuple((id(site), site.bonds.version) for site in sites)
        if self._joined is None or self._joined[0] != key:
            joined = join([site.bonds for site in sites], [site.types for site in sites], self.trained.device)
            self._joined = (key, joined)
        return self._joined[1]
