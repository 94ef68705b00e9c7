"""What the benchmark's structures of amorphous silicon measure, to be put beside one's own.

The authors give no table of these numbers: they are read off their figures of the training set (256 atoms, relaxed
with the SOAP-GAP of Bartók et al. 2018; motifs, radial distribution and bond angles), to about the last digit given.
The density is that of Deringer et al.'s cell, of which the authors' structures are parts [own reading].

Six structures of their training set came with the reference data of this project's tests. They measure what is listed
as ``six_structures``: all bond angles together have a standard deviation of 13.6°, more than the 12° that the width of
the peak in the figure suggests; their density is 2.280 g/cm³.
"""

from __future__ import annotations

from typing import Any

#: The element that the numbers are of.
ELEMENT = "Si"

#: As the results of :func:`~.measures.summarise`, percent, degrees, Å and g/cm³.
TARGETS: dict[str, Any] = {
    "coordination_percent": {"3": 2.4, "4": 89.0, "5": 6.0},
    "tetrahedral_percent": 71.0,
    "bond_angle_peak": 107.5,
    "bond_angle_sigma": 12.0,
    "rdf_peak": {"position": 2.36, "height": 9.7},
    "density": 2.28,
    "six_structures": {
        "coordination_percent": {"2": 0.065, "3": 2.86, "4": 91.28, "5": 5.79},
        "coordination_within_cutoff_percent": {"2": 0.13, "3": 3.52, "4": 91.93, "5": 4.43},
        "tetrahedral_percent": 81.6,
        "bond_angle_mean": 108.69,
        "bond_angle_peak": 106.25,
        "bond_angle_sigma": 13.63,
        "rdf_peak": {"position": 2.35, "height": 6.49},
        "rings_per_atom": {"3": 0.0007, "4": 0.0202, "5": 0.435, "6": 0.809, "7": 0.515, "8": 0.145},
        "crystalline_percent": 0.0,
        "density": 2.28,
        "shortest_distance": 2.208,
    },
    "source": "read off the figures of the Dismai-Bench paper (training set); density of Deringer et al. 2021",
}
