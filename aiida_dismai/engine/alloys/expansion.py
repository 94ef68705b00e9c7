"""Two-body cluster expansions: the formation energy of an alloy from its composition and its pairs.

The energy per atom is ``J0 + sum_A J_A x_A + sum_s sum_AB J_AB(s) n_AB(s)`` in eV, where ``n_AB(s)`` is the
number of undirected A–B bonds in shell ``s`` divided by the number of atoms (so that they add up to the
shell's bonds per atom, half its coordination number).

The file, JSON::

    {"name": "...", "source": "...",
     "lattice": {"type": "fcc", "a": 3.6},              or {"cell": [[...], [...], [...]], "basis": [[0, 0, 0]]}
     "species": ["Cr", "Fe", "Ni"],
     "constant": -0.0093,                               J0, eV/atom
     "sites": {"Cr": 0.0, "Fe": 0.0, "Ni": 0.0},        J_A, eV
     "shells": [{"radius": 2.5456, "bonds": 6, "pairs": {"Cr-Cr": 0.0003, "Cr-Fe": -0.0061, ...}}, ...]}

Every species needs a site term and every pair a coefficient in every shell: a zero is written, not implied.
``bonds`` (per atom) can be left out; when given it must be what the lattice has at that radius.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ..errors import BadInput, nearest
from ..parameters import Parameters, validate
from ..structures.source import SIGNATURES
from ..text import visible
from ..untrusted import kind_of, open_file, read_json, read_object, reason_of
from .lattice import Lattice, Vectors

#: The expansion of the paper's alloy, in this package.
PACKAGED = "fe_ni_cr.json"
#: What every file has.
REQUIRED = ("lattice", "species", "constant", "sites", "shells")
#: How an expansion of icet becomes a file of ours (docs/howto/alloys.md).
CONVERTER = (
    "Path('expansion.json').write_text(from_icet(icet.ClusterExpansion.read('FILE.ce')).model_dump_json()), with "
    "from_icet of aiida_dismai.engine.alloys.icet"
)
#: What to do with an expansion for which there is no converter.
BY_HAND = "write its pair energies into a file as docs/howto/alloys.md shows"
#: Keys of other programs' files, and what to do with these.
OTHERS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"@module", "@class", "cluster_subspace", "coefs", "coefficients", "cluster_space"}),
        f"an expansion of smol or icet in their own JSON, which is not read; of icet: {CONVERTER}; of smol: {BY_HAND}",
    ),
    (
        frozenset({"cluster_functions", "orbits", "eci", "basis_functions", "prim"}),
        f"effective interactions of CASM, which are not read; {BY_HAND}",
    ),
)

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]


class LatticeFile(Parameters):
    """The lattice: a structure type with its constant, or a primitive or conventional cell with the basis sites."""

    type: Literal["fcc", "bcc", "sc", "diamond", "hcp"] | None = Field(None, description="Structure type.")
    a: float | None = Field(None, gt=0.5, le=100, description="Lattice constant of the conventional cell, Å.")
    cell: Annotated[list[Triple], Field(min_length=3, max_length=3)] | None = Field(
        None, description="Lattice vectors as rows, Å."
    )
    basis: Annotated[list[Triple], Field(min_length=1)] | None = Field(
        None, description="Fractional coordinates of the sites in the cell."
    )

    @model_validator(mode="after")
    def _one_way(self) -> LatticeFile:
        if self.type is None and (self.cell is None or self.basis is None):
            raise ValueError("give type and a, or cell and basis")
        if self.type is not None and self.a is None:
            raise ValueError(f"type '{self.type}' needs its lattice constant a, Å")
        if self.type is not None and (self.cell is not None or self.basis is not None):
            raise ValueError("type and cell/basis exclude each other")
        return self

    def build(self) -> Lattice:
        """Return the lattice.

        Raises:
            BadInput: a flat cell, or sites in one place.
        """
        if self.type is not None and self.a is not None:
            return Lattice.named(self.type, self.a)
        return Lattice.build(self.cell or [], self.basis or [], self.a)


class ShellFile(Parameters):
    """The pairs at one distance."""

    radius: float = Field(gt=0, le=1000, description="Distance of the pairs, Å.")
    bonds: float | None = Field(None, gt=0, description="Bonds per atom: half the coordination number.")
    pairs: dict[str, float] = Field(description='Coefficient of every pair, eV, for instance {"Cr-Fe": 0.01}.')


class ExpansionFile(Parameters):
    """A two-body cluster expansion as it is written in JSON."""

    name: str = Field("", description="What it is.")
    source: str = Field("", description="Where the coefficients come from.")
    lattice: LatticeFile = Field(description="The lattice that the sites form.")
    species: list[str] = Field(min_length=1, description="Chemical symbols, in the order of the columns.")
    constant: float = Field(description="Constant term, eV/atom.")
    sites: dict[str, float] = Field(description="Site term of every species, eV.")
    shells: list[ShellFile] = Field(min_length=1, description="Shells, nearest neighbours first.")

    @model_validator(mode="after")
    def _complete(self) -> ExpansionFile:
        from ase.data import atomic_numbers

        for symbol in self.species:
            if atomic_numbers.get(symbol, 0) < 1:
                raise ValueError(f"species: '{symbol}' is not a chemical element")
        if len(set(self.species)) != len(self.species):
            raise ValueError(f"species: an element is named twice in {', '.join(self.species)}")
        for symbol in self.sites:
            if symbol not in self.species:
                raise ValueError(f"sites: unknown species '{symbol}'{nearest(symbol, self.species)}")
        missing = [symbol for symbol in self.species if symbol not in self.sites]
        if missing:
            raise ValueError(f"sites: no term for {', '.join(missing)}; write 0 where there is none")
        for number, shell in enumerate(self.shells, start=1):
            _check_pairs(shell.pairs, self.species, f"shell {number}")
        radii = [shell.radius for shell in self.shells]
        if any(second <= first for first, second in itertools.pairwise(radii)):
            raise ValueError(f"shells: radii must grow from shell to shell, not {radii}")
        return self


def species_pairs(species: Sequence[str]) -> list[tuple[str, str]]:
    """Return all pairs of species, each once, in the order of the columns."""
    return list(itertools.combinations_with_replacement(species, 2))


def _check_pairs(given: Mapping[str, float], species: Sequence[str], where: str) -> None:
    """Raise ``ValueError`` unless every pair has one coefficient and nothing else has."""
    expected = {frozenset(pair): "-".join(pair) for pair in species_pairs(species)}
    seen = set()
    for label in given:
        ends = label.split("-")
        unknown = [symbol for symbol in ends if symbol not in species]
        if len(ends) != 2 or unknown:
            reason = f"unknown species {', '.join(unknown)}" if unknown else "a pair is written as 'Cr-Fe'"
            raise ValueError(f"{where}: '{label}': {reason}{nearest(label, expected.values())}")
        if frozenset(ends) in seen:
            raise ValueError(f"{where}: the pair '{label}' has two coefficients")
        seen.add(frozenset(ends))
    missing = [label for pair, label in expected.items() if pair not in seen]
    if missing:
        raise ValueError(f"{where}: no coefficient for {', '.join(missing)}; write 0 where there is none")


@dataclass(frozen=True, eq=False)
class Expansion:
    """A cluster expansion on its lattice.

    Attributes:
        name: what it is.
        source: where the coefficients come from.
        lattice: of the sites.
        species: ``k`` chemical symbols.
        numbers: their atomic numbers, ``(k,)``.
        vectors: of each shell, to all its neighbours (both directions).
        bonds: bonds per atom of each shell, ``(shells,)``.
        constant: eV/atom.
        site_terms: ``(k,)`` eV.
        pair_terms: ``(shells, pairs)`` eV, pairs as :func:`species_pairs` gives them.
    """

    name: str
    source: str
    lattice: Lattice
    species: tuple[str, ...]
    numbers: NDArray[np.int64]
    vectors: tuple[Vectors, ...]
    bonds: NDArray[np.float64]
    constant: float
    site_terms: NDArray[np.float64]
    pair_terms: NDArray[np.float64]

    @classmethod
    def build(cls, file: ExpansionFile, lattice_constant: float | None = None) -> Expansion:
        """Put the expansion on its lattice.

        Args:
            file: the checked content.
            lattice_constant: another lattice constant, Å; shells grow with it.

        Raises:
            BadInput: a shell without neighbours, or whose number of bonds is not the one given.
        """
        from ase.data import atomic_numbers

        lattice = file.lattice.build()
        shells = []
        for number, shell in enumerate(file.shells, start=1):
            try:
                vectors = lattice.shell(shell.radius)
            except BadInput as error:
                raise BadInput(f"cluster expansion, shell {number}: {error}") from error
            bonds = len(vectors) / (2 * len(lattice.basis))
            if shell.bonds is not None and abs(bonds - shell.bonds) > 1e-9:
                raise BadInput(
                    f"cluster expansion, shell {number}: {shell.bonds:g} bonds per atom given, but the lattice has "
                    f"{bonds:g} at {shell.radius:g} Å"
                )
            shells.append(vectors)
        if lattice_constant is not None:
            factor = lattice_constant / lattice.constant
            lattice = lattice.scaled(lattice_constant)
            shells = [Vectors(v.start, v.end, v.steps, v.cartesian * factor) for v in shells]
        pairs = species_pairs(file.species)
        terms = [
            [
                {frozenset(key.split("-")): value for key, value in shell.pairs.items()}[frozenset(pair)]
                for pair in pairs
            ]
            for shell in file.shells
        ]
        return cls(
            name=file.name,
            source=file.source,
            lattice=lattice,
            species=tuple(file.species),
            numbers=np.array([atomic_numbers[symbol] for symbol in file.species], dtype=np.int64),
            vectors=tuple(shells),
            bonds=np.array([len(v) / (2 * len(lattice.basis)) for v in shells]),
            constant=file.constant,
            site_terms=np.array([file.sites[symbol] for symbol in file.species]),
            pair_terms=np.array(terms),
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of species, in the order of the columns."""
        return species_pairs(self.species)

    @cached_property
    def all_vectors(self) -> tuple[Vectors, NDArray[np.int64]]:
        """The vectors of all shells together, and the shell (from 0) of each, ``(v,)``."""
        joined = Vectors(
            np.concatenate([v.start for v in self.vectors]),
            np.concatenate([v.end for v in self.vectors]),
            np.concatenate([v.steps for v in self.vectors]),
            np.concatenate([v.cartesian for v in self.vectors]),
        )
        return joined, np.repeat(np.arange(len(self.vectors)), [len(v) for v in self.vectors])

    def cluster_labels(self) -> list[str]:
        """Return the authors' names of the cluster probabilities: ``0NN_Cr`` …, ``1NN_Cr-Cr`` … shell by shell."""
        shells = range(1, len(self.vectors) + 1)
        return [f"0NN_{symbol}" for symbol in self.species] + [
            f"{shell}NN_{a}-{b}" for shell in shells for a, b in self.pairs
        ]

    def pair_labels(self) -> list[str]:
        """Return the names of the pairs, ``Cr-Fe``."""
        return [f"{a}-{b}" for a, b in self.pairs]

    def formation_energy(self, fractions: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
        """Return the formation energy in eV/atom.

        Args:
            fractions: ``(species,)`` share of each species among the atoms.
            counts: ``(shells, pairs)`` undirected bonds per atom.

        With vacancies it is no energy of the crystal: bonds to empty sites count nothing (as in the authors' scripts).
        """
        return float(self.constant + self.site_terms @ fractions + (self.pair_terms * counts).sum())


def read_file(source: Mapping[str, Any] | Path | str) -> ExpansionFile:
    """Read and check the content of a JSON file, or what such a file holds.

    Raises:
        BadInput: no such file, not JSON, another program's expansion (says how to convert it), unknown keys or species,
            missing or doubled coefficients.
    """
    if isinstance(source, Mapping):
        return _checked(source, "cluster expansion")
    path = Path(source)
    where = visible(path)
    if path.is_dir():
        raise BadInput(f"{where}: a folder, not the JSON file of a cluster expansion")
    try:
        with open_file(path) as handle:
            start = handle.read(512)
    except OSError as error:
        raise BadInput(f"{where}: cannot be read ({reason_of(error)})") from error
    if what := _other_file(start):
        raise BadInput(f"{where}: {what}")
    return _checked(read_json(path, where), where)


def _other_file(start: bytes) -> str:
    """Say what a file is, and what to do, where its first 512 bytes are those of something else than JSON."""
    if start[257:262] == b"ustar" or start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")):
        return f"an archive, as icet writes its .ce files, and not JSON; where you trust it: {CONVERTER}"
    if not start.strip():
        return "empty; a cluster expansion is a JSON file"
    if start.startswith(tuple(SIGNATURES)):
        return next(text for mark, text in SIGNATURES.items() if start.startswith(mark))
    if start.lstrip()[:1] == b"<":
        return "a web page or XML, not the JSON file of a cluster expansion; download the file itself"
    return ""


def _checked(content: Any, where: str) -> ExpansionFile:
    """Check what a file holds.

    Raises:
        BadInput: it is no object, or another program's, or not complete.
    """
    if not isinstance(content, Mapping):
        raise BadInput(f"{where}: must be a JSON object with {', '.join(REQUIRED)}, not {kind_of(content)}")
    if not set(REQUIRED) & set(content):
        for keys, what in OTHERS:
            if keys & set(content):
                raise BadInput(f"{where}: looks like {what}")
    return validate(ExpansionFile, content, where)


def read_expansion(source: Mapping[str, Any] | Path | str, lattice_constant: float | None = None) -> Expansion:
    """Read a cluster expansion from a JSON file, or from what such a file holds, and put it on its lattice.

    Raises:
        BadInput: as :func:`read_file`, or shells that the lattice does not have.
    """
    return Expansion.build(read_file(source), lattice_constant)


@lru_cache(maxsize=1)
def packaged_file() -> ExpansionFile:
    """Return the content of the Fe–Ni–Cr expansion of the paper."""
    text = files(__package__).joinpath(PACKAGED).read_text(encoding="utf-8")
    return ExpansionFile.model_validate(read_object(text, PACKAGED))


@lru_cache(maxsize=8)
def packaged_expansion(lattice_constant: float | None = None) -> Expansion:
    """Return the Fe–Ni–Cr expansion of the paper on its lattice."""
    return Expansion.build(packaged_file(), lattice_constant)
