"""The task ``compare``: surroundings of cations in the region of the interface, in sets beside the training set."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import write_arrays
from ..context import Context
from ..descriptors.fingerprints import feature_labels
from ..descriptors.rdf import bin_centres
from ..errors import BadInput
from ..metrics.records import open_records
from .compare import Compared, Training
from .parameters import CompareParameters
from .sets import describe_set, read_set
from .sites import Sites

OUTPUT = "comparison.npz"
#: Inputs that are put beside the reference, in the order of the results.
COMPARED = ("structures", "other")


def run(context: Context, parameters: CompareParameters) -> dict[str, Any]:
    """Compare sets with the training set and write ``comparison.npz``.

    Structures whose property ``converged`` is False are not analysed, nor are those of another composition or with
    other numbers of chosen sites than the first training structure, and those at which CrystalNN is not defined; all
    are counted.

    Returns:
        ``cations``, ``anions``, ``regions``, ``sites`` (chosen sites of a structure, by cation), and ``sets``: for
        ``reference``, ``structures`` and, if it was given, ``other`` what :meth:`~.compare.Compared.summary` says, and
        for all but the reference :meth:`~.compare.Compared.distances`.

    Raises:
        BadInput: a set that is unreadable, empty or without regions; a reference without the cations in these regions,
            or none of whose structures could be analysed.
        Unfinished: out of time; finished structures are kept.
    """
    started = time.monotonic()
    names = ["reference", *(name for name in COMPARED if name in context.inputs)]
    sets = {name: read_set(context.inputs[name]) for name in names}
    where = str(context.inputs["reference"])
    sites = Sites(parameters, sets["reference"][0], where)
    file = open_records(context.checkpoint, sites.about())
    described = {name: describe_set(context, name, sets[name], sites, file) for name in names}
    reference = described["reference"]
    if not len(reference.records):
        first = f"; structure {reference.failures[0][0]}: {reference.failures[0][1]}" if reference.failures else ""
        raise BadInput(f"{where}: none of its {reference.n} structures could be analysed{first}")
    training = Training(parameters, sites, reference)
    results: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {
        "r": bin_centres(parameters.rdf_cutoff, parameters.rdf_bins),
        "labels.features": np.array(feature_labels(sites.chemistry)),
    }
    for name in names:
        compared = Compared(training, described[name])
        results[name] = compared.summary() | ({} if name == "reference" else compared.distances())
        arrays |= compared.arrays(name)
    write_arrays(context.folder / OUTPUT, arrays)
    return {
        "cations": parameters.cations,
        "anions": parameters.anions,
        "regions": parameters.regions,
        "sites": sites.counts,
        "sets": results,
        "timings": {"compare": time.monotonic() - started},
    }
