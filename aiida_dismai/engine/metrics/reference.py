"""The training set's side of the metrics, which is computed once and can be given again as ``reference.npz``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..files import write_atomically
from . import fingerprints
from .chemistry import Chemistry
from .summaries import Summaries

FORMAT = "dismai-reference"
VERSION = 1
META = "meta"


@dataclass(frozen=True)
class Reference:
    """The summaries of the training structures, and what they belong to.

    Attributes:
        chemistry: the ions.
        composition: atoms of each element in every structure.
        structures_hash: SHA-256 of the training structures without their properties.
        n_structures: how many there were, with those that could not be analysed.
        summaries: of those that could.
    """

    chemistry: Chemistry
    composition: Mapping[str, int]
    structures_hash: str
    n_structures: int
    summaries: Summaries

    @property
    def average(self) -> NDArray[np.float64]:
        """Average fingerprint of each cation over all sites of all structures, ``(cations, features)``."""
        return self.summaries.means.mean(axis=0)

    def save(self, path: Path) -> None:
        """Write the file, atomically; equal references give equal bytes."""
        meta = {
            "format": FORMAT,
            "version": VERSION,
            "kind": "interface",
            "fingerprint_version": fingerprints.VERSION,
            "features": fingerprints.feature_labels(self.chemistry),
            "composition": dict(self.composition),
            "structures_hash": self.structures_hash,
            "n_structures": self.n_structures,
            "failures": [list(item) for item in self.summaries.failures],
        } | self.chemistry.plain()
        arrays: dict[str, Any] = {
            META: np.array(json.dumps(meta, sort_keys=True)),
            "average": self.average,
            "index": self.summaries.index,
            "means": self.summaries.means,
        }
        arrays |= {f"motifs.{cation}": codes for cation, codes in self.summaries.motifs.items()}
        write_atomically(path, lambda handle: np.savez(handle, allow_pickle=False, **arrays))


def is_reference(path: Path) -> bool:
    """Say whether a file is one that :meth:`Reference.save` wrote (and not, say, structures)."""
    if path.suffix != ".npz":
        return False
    try:
        with np.load(path, allow_pickle=False) as archive:
            return META in archive and json.loads(str(archive[META])).get("format") == FORMAT
    except (zipfile.BadZipFile, ValueError, EOFError, OSError):
        return False


def load_reference(path: Path, chemistry: Chemistry) -> Reference:
    """Read a reference that was written before.

    Args:
        path: the file.
        chemistry: the ions asked for; the file must have been made with the same.

    Raises:
        BadInput: truncated, made by another version, or for other ions.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            meta = json.loads(str(archive[META]))
            if (meta["version"], meta["fingerprint_version"]) != (VERSION, fingerprints.VERSION):
                raise BadInput(f"{path}: a reference of another version; give the training structures instead")
            stored = Chemistry.build(meta["oxidation_states"], meta["cations"], meta["anions"])
            if stored != chemistry:
                raise BadInput(
                    f"{path}: made for {stored.plain()}, but the parameters say {chemistry.plain()}; "
                    "give the training structures instead, or the parameters it was made with"
                )
            motifs = {cation: archive[f"motifs.{cation}"] for cation in chemistry.cations}
            failures = [(int(place), str(reason)) for place, reason in meta["failures"]]
            summaries = Summaries(archive["index"], archive["means"], motifs, failures)
            return Reference(stored, meta["composition"], meta["structures_hash"], meta["n_structures"], summaries)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise BadInput(f"{path}: truncated or not a reference of this project ({error})") from error
