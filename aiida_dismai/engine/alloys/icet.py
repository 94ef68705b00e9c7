"""Cluster expansions of the library icet, to ours and back; icet itself is imported where it is used.

icet writes the energy per atom as ``p_0 + Σ p_c ⟨Φ_c⟩``: for a point cluster the average of ``Φ_α(A)`` over the sites,
for a pair cluster that of ``Φ_α(A) Φ_β(B)`` over the bonds of an orbit (and over both directions where these are
equivalent). A matrix of pair energies ``J(A, B)`` and the parameters of a shell are the same thing in two bases:
``J = Fᵀ c F`` with ``F_0 = 1``. ``c_00`` belongs to the constant and ``c_0α`` to the point clusters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .expansion import Expansion, ExpansionFile, LatticeFile, ShellFile, species_pairs
from .lattice import SAME

if TYPE_CHECKING:
    from icet import ClusterExpansion, ClusterSpace

#: Imported coefficients must give icet's own energies, eV/atom.
AGREEMENT = 1e-9
#: Random arrangements on which that is tried.
TRIALS = 3


def from_icet(cluster_expansion: ClusterExpansion, name: str = "", source: str = "") -> ExpansionFile:
    """Import an expansion in points and pairs whose sites are all alike.

    Args:
        cluster_expansion: icet's, of energies per atom in eV.
        name: what it is.
        source: where it comes from.

    Returns:
        The content of a file that gives the same energies (checked on random arrangements); its coefficients are one
        of many choices that do.

    Raises:
        BadInput: triplets or more with a parameter that is not zero, several kinds of sites, sites that only one
            species can take, or pairs of one length that differ.
    """
    space = cluster_expansion.get_cluster_space_copy()
    parameters = np.asarray(cluster_expansion.parameters, dtype=np.float64)
    functions, species = _point_functions(space)
    primitive = space.primitive_structure
    constant = float(parameters[0])
    terms = np.zeros(len(species))
    shells: list[tuple[float, int, NDArray[np.float64]]] = []
    column = 1
    points = 0
    for orbit in _orbits(space):
        count = len(orbit.cluster_vector_elements)
        own = parameters[column : column + count]
        column += count
        if orbit.order == 1:
            points += 1
            for element, parameter in zip(orbit.cluster_vector_elements, own, strict=True):
                terms += parameter * functions[1 + element["multicomponent_vector"][0]]
        elif orbit.order == 2:
            shells.append(_pair_energies(orbit, own, functions))
        elif np.any(own != 0):
            raise BadInput(
                f"icet: a cluster of {orbit.order} sites has the parameter {own[own != 0][0]:g}; only expansions in "
                "points and pairs can be taken over"
            )
    if points > 1:
        raise BadInput(
            f"icet: the lattice has {points} kinds of sites; only expansions whose sites are all alike can be"
        )
    file = ExpansionFile(
        name=name,
        source=source,
        lattice=LatticeFile(
            type=None,
            a=None,
            cell=primitive.cell.tolist(),
            basis=primitive.get_scaled_positions(wrap=False).tolist(),
        ),
        species=species,
        constant=constant,
        sites=dict(zip(species, terms.tolist(), strict=True)),
        shells=_joined(shells, species, len(primitive)),
    )
    _check(cluster_expansion, file)
    return file


def to_icet(expansion: Expansion) -> ClusterExpansion:
    """Build icet's cluster expansion of the same energies.

    Raises:
        BadInput: icet is not installed, or the sites are not all alike by symmetry.
    """
    try:
        from ase import Atoms
        from icet import ClusterExpansion, ClusterSpace
    except ImportError as error:
        raise BadInput("icet is not installed: pip install icet") from error
    lattice = expansion.lattice
    primitive = Atoms(
        [expansion.species[0]] * len(lattice.basis),
        positions=lattice.basis @ lattice.cell,
        cell=lattice.cell,
        pbc=True,
    )
    radii = np.array([vectors.lengths().mean() for vectors in expansion.vectors])
    space = ClusterSpace(primitive, [float(radii.max()) + SAME], list(expansion.species))
    kinds = [orbit for orbit in _orbits(space) if orbit.order == 1]
    if len(kinds) > 1:
        raise BadInput(f"icet: the lattice has {len(kinds)} kinds of sites, which ours does not tell apart")
    functions, species = _point_functions(space)
    order = [expansion.species.index(symbol) for symbol in species]
    inverse = np.linalg.inv(functions)
    points = expansion.site_terms[order] @ inverse
    constant = expansion.constant + points[0]
    of_pairs: list[float] = []
    for orbit in _orbits(space):
        if orbit.order != 2:
            continue
        shell = int(np.abs(radii - orbit.representative_cluster.distances[0]).argmin())
        known = abs(radii[shell] - orbit.representative_cluster.distances[0]) <= SAME
        bonds = len(orbit.clusters) / len(space.primitive_structure)
        matrix = _symmetric(expansion.pair_terms[shell], len(species))[np.ix_(order, order)]
        basis = bonds * (inverse.T @ matrix @ inverse) if known else np.zeros((len(species), len(species)))
        constant += basis[0, 0]
        points[1:] += 2 * basis[0, 1:]
        for element in orbit.cluster_vector_elements:
            first, second = (1 + alpha for alpha in element["multicomponent_vector"])
            of_pairs.append(basis[first, second] * len(element["site_permutations"]))
    of_points = [points[1 + element["multicomponent_vector"][0]] for element in kinds[0].cluster_vector_elements]
    return ClusterExpansion(space, np.array([constant, *of_points, *of_pairs]))


def _orbits(space: ClusterSpace) -> list[Any]:
    return [space.orbit_list.get_orbit(index) for index in range(len(space.orbit_list))]


def _symmetric(pairs: NDArray[np.float64], species: int) -> NDArray[np.float64]:
    upper = np.triu_indices(species)
    matrix = np.zeros((species, species))
    matrix[upper] = pairs
    return matrix + np.triu(matrix, 1).T


def _point_functions(space: ClusterSpace) -> tuple[NDArray[np.float64], list[str]]:
    """Return ``F`` ``(species, species)`` with rows 1, Φ_0, Φ_1 …, and the species of the columns.

    Raises:
        BadInput: sites that differ in the species that they can take.
    """
    from ase.data import chemical_symbols

    maps = space.species_maps
    if any(dict(item) != dict(maps[0]) for item in maps) or len(maps[0]) < 2:
        sites = "; ".join(", ".join(symbols) for symbols in space.chemical_symbols)
        raise BadInput(f"icet: all sites must take the same species, at least two; here they take: {sites}")
    places = dict(maps[0])
    numbers = sorted(places)
    count = len(numbers)
    functions = np.ones((count, count))
    for alpha in range(count - 1):
        functions[1 + alpha] = [space.evaluate_cluster_function(count, alpha, places[z]) for z in numbers]
    return functions, [chemical_symbols[z] for z in numbers]


def _pair_energies(
    orbit: Any, parameters: NDArray[np.float64], functions: NDArray[np.float64]
) -> tuple[float, int, NDArray[np.float64]]:
    """Return length, number of bonds per primitive cell, and ``J(A, B)`` per bond times that number."""
    lengths = np.array([cluster.distances[0] for cluster in orbit.clusters])
    if np.ptp(lengths) > SAME:
        raise BadInput(f"icet: an orbit joins pairs of {lengths.min():.4f} to {lengths.max():.4f} Å; undo merge_orbits")
    matrix = np.zeros((len(functions), len(functions)))
    for element, parameter in zip(orbit.cluster_vector_elements, parameters, strict=True):
        vector, permutations = element["multicomponent_vector"], element["site_permutations"]
        for permutation in permutations:
            first, second = (functions[1 + vector[place]] for place in permutation)
            matrix += parameter / len(permutations) * np.outer(first, second)
    if np.abs(matrix - matrix.T).max() > 1e-12 * max(1.0, float(np.abs(matrix).max())):
        raise BadInput(f"icet: the pairs of {lengths.mean():.4f} Å have a direction (A–B is not B–A)")
    return float(lengths.mean()), len(lengths), (matrix + matrix.T) / 2


def _joined(shells: list[tuple[float, int, NDArray[np.float64]]], species: list[str], sites: int) -> list[ShellFile]:
    """Return the shells; orbits of one length become one, and must have the same energy per bond."""
    if not shells:
        raise BadInput("icet: the cluster space has no pairs")
    found: list[ShellFile] = []
    shells = sorted(shells, key=lambda shell: shell[0])
    start = 0
    while start < len(shells):
        group = [shell for shell in shells[start:] if shell[0] - shells[start][0] <= SAME]
        start += len(group)
        each = [matrix * sites / count for _, count, matrix in group]
        if any(np.abs(other - each[0]).max() > 1e-12 for other in each[1:]):
            raise BadInput(
                f"icet: there are {len(group)} kinds of pairs of {group[0][0]:.4f} Å with different energies"
            )
        pairs = {f"{a}-{b}": float(each[0][species.index(a), species.index(b)]) for a, b in species_pairs(species)}
        bonds = sum(count for _, count, _ in group) / sites
        found.append(ShellFile(radius=group[0][0], bonds=bonds, pairs=pairs))
    return found


def _check(cluster_expansion: ClusterExpansion, file: ExpansionFile) -> None:
    """Compare energies of random arrangements, in case that icet's conventions change."""
    from ase.build import make_supercell

    from ..structures import from_ase
    from .energies import evaluate

    expansion = Expansion.build(file)
    primitive = cluster_expansion.get_cluster_space_copy().primitive_structure
    random = np.random.default_rng(0)
    frames = []
    for _ in range(TRIALS):
        atoms = make_supercell(primitive, np.diag([3, 2, 2]))
        atoms.set_chemical_symbols(random.choice(expansion.species, len(atoms)).tolist())
        frames.append(atoms)
    ours = evaluate(from_ase(frames), expansion, align="none").formation_energy
    theirs = np.array([cluster_expansion.predict(atoms) for atoms in frames])
    worst = float(np.abs(ours - theirs).max())
    if worst > AGREEMENT * max(1.0, float(np.abs(theirs).max())):
        raise BadInput(
            f"icet: the imported expansion differs from icet's own energies by {worst:.2g} eV/atom; this version of "
            "icet has other conventions than 4.0"
        )
