"""The small data sets by name; ``small:NAME`` stands for one wherever a file of structures is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput, nearest
from ..structures import StructureSet, read_npz
from ..untrusted import read_object

#: Begins what is one of these sets, and no file.
PREFIX = "small:"
FOLDER = Path(__file__).parent / "data"
RECIPE, MANIFEST = "recipe.json", "manifest.json"
PARTS = ("train", "validation")
#: Completes a name that fits several sets: the paper's wide sets are the ones without a filter.
DEFAULT = "_wide"


@dataclass(frozen=True)
class SmallSet:
    """One data set.

    Attributes:
        name: such as ``alloy_300K_wide``.
        kind: its family.
        summary: one line for lists.
        potential: name of the folder of the potential that relaxed it, "" for none.
        metrics: parameters of the task ``metrics`` that differ from the defaults, which are for the full sets.
        folder: where the files lie.
    """

    name: str
    kind: str
    summary: str
    potential: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = FOLDER

    def path(self, part: str) -> Path:
        """Return the file of the training or validation set."""
        return self.folder / f"{self.name}.{part}.npz"

    @property
    def potential_folder(self) -> Path | None:
        """Return the folder of the potential; None for none."""
        return self.folder / self.potential if self.potential else None

    @property
    def is_there(self) -> bool:
        """Whether the files were made."""
        potential = self.potential_folder
        return all(self.path(part).is_file() for part in PARTS) and (potential is None or potential.is_dir())

    def load(self, part: str) -> StructureSet:
        """Read the training or validation set, and compare it with the manifest.

        Raises:
            BadInput: the file is damaged or another one.
        """
        structures = read_npz(self.path(part))
        noted = manifest(self.folder).get(self.name, {}).get(part, {}).get("content_hash")
        if noted != structures.content_hash:
            raise BadInput(
                f"{self.path(part).name}: its content is not the one that {MANIFEST} names; install the package again"
            )
        return structures


def _alloy(temperature: int, which: str, text: str) -> SmallSet:
    """Return an alloy; the share of the atoms that its clean-up may lose is that of the full sets, 50 of 256."""
    summary = f"Fe20 Ni6 Cr6 on fcc sites, canonical Monte Carlo at {temperature} K, {text}"
    return SmallSet(f"alloy_{temperature}K_{which}", "alloy", summary, metrics={"alloy": {"max_removed": 6}})


SETS = {
    item.name: item
    for item in (
        _alloy(300, "wide", "all arrangements"),
        _alloy(300, "narrow", "order close to the average"),
        _alloy(1500, "wide", "all arrangements"),
        _alloy(1500, "narrow", "order close to the average"),
        SmallSet("amorphous", "amorphous", "64 Si by bond switching, relaxed with EDIP"),
        SmallSet(
            "interface",
            "interface",
            "Li3ScCl6|LiCoO2, 78 atoms; CHGNet stands in for DFT, a small M3GNet has relaxed them",
            potential="interface_potential",
        ),
    )
}


def manifest(folder: Path = FOLDER) -> dict[str, Any]:
    """Return what is noted of each set that is there; empty where nothing was made yet."""
    path = folder / MANIFEST
    sets = read_object(path).get("sets", {}) if path.is_file() else {}
    return dict(sets)


def recipe() -> dict[str, Any]:
    """Return the recipe of all sets."""
    return read_object(FOLDER / RECIPE)


def available() -> dict[str, SmallSet]:
    """Return the sets that ship with this version."""
    return {name: item for name, item in SETS.items() if item.is_there}


def of_path(path: Path) -> SmallSet | None:
    """Return the set to which a file belongs; None for any other file."""
    return next((item for item in SETS.values() if path in (item.path(part) for part in PARTS)), None)


def find(name: str) -> SmallSet:
    """Return a set by its name or by its unambiguous beginning, with or without ``small:``.

    ``alloy_300K`` is ``alloy_300K_wide``, the set without a filter.

    Raises:
        BadInput: no such set, or several; names them.
    """
    wanted = name.removeprefix(PREFIX)
    known = available()
    if wanted in known:
        return known[wanted]
    if wanted + DEFAULT in known:
        return known[wanted + DEFAULT]
    fits = [item for item in known if item.startswith(wanted)]
    if wanted and len(fits) == 1:
        return known[fits[0]]
    if wanted and fits:
        raise BadInput(f"'{name}' may be {', '.join(fits)}; name one of them")
    raise BadInput(f"there is no small data set '{name}'{nearest(wanted, known)}")
