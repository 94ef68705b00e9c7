"""The paper's interface, Li3ScCl6(100) on LiCoO2(110), as plain parameters of ``interfaces.build``."""

from __future__ import annotations

from typing import Any


def lsc_lco(n_structures: int = 1, exchanges: bool = False) -> dict[str, Any]:
    """Return the parameters that give 264 atoms, Li72 Sc12 Co36 Cl72 O72.

    The lateral cell is that of the authors' relaxed LiCoO2; 4 layers of LiCoO2 and 3 of Li3ScCl6
    (7 atomic planes Cl9·Li9Sc3·Cl18·Li9Sc3·Cl18·Li9Sc3·Cl9) follow the paper, section 4.1.3. The
    minimum distances and the height of the cell are the project's own choice.

    Args:
        n_structures: structures to make.
        exchanges: whether 600 of 950 structures get mutual exchanges of ions (up to 3 Sc↔Co, 3 Li↔Co,
            6 Cl↔O), as in the training set of the paper's potential.
    """
    kinds = [("Sc", "Co", 3), ("Li", "Co", 3), ("Cl", "O", 6)] if exchanges else []
    return {
        "n_structures": n_structures,
        "slab_a": {
            "miller": [1, 1, 0],
            "layers": 4,
            "offset": -0.5,
            "vectors": [[-5 / 3, 5 / 3, 2 / 3], [2, -2, 1]],
        },
        "slab_b": {"miller": [1, 0, 0], "layers": 3, "offset": 0.5, "vectors": [[0, 1, 1], [0, 1, -2]]},
        "lateral_cell": {"a": 12.46997, "b": 17.19967, "gamma": 75.6674},
        "region": {
            "composition": {"Li": 9, "Sc": 3, "Cl": 18},
            "thickness": [4.0, 6.0],
            "distances": {
                "Li-Li": 2.0,
                "Li-Sc": 2.3,
                "Li-Co": 2.2,
                "Li-Cl": 2.0,
                "Li-O": 1.7,
                "Sc-Sc": 2.8,
                "Sc-Co": 2.4,
                "Sc-Cl": 2.1,
                "Sc-O": 1.8,
                "Co-Cl": 2.0,
                "Cl-Cl": 2.6,
                "Cl-O": 2.4,
            },
        },
        "vacuum": 14.0,
        "c": 33.1969,
        "exchanges": [{"interface": a, "top_layer": b, "maximum": most} for a, b, most in kinds],
        "exchange_fraction": 600 / 950,
        "element_order": ["Li", "Sc", "Co", "Cl", "O"],
    }
