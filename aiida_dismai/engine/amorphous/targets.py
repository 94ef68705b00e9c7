"""What the benchmark's structures of amorphous silicon measure, to be put beside one's own.

The authors give no table of these numbers: they are read off their figures of the training set (256 atoms, relaxed
with the SOAP-GAP of Bartók et al. 2018; motifs, radial distribution and bond angles), to about the last digit given.
The density is that of Deringer et al.'s cell, of which the authors' structures are parts [own reading].
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
    "source": "read off the figures of the Dismai-Bench paper (training set); density of Deringer et al. 2021",
}
