"""Alloys: clean-up and order on the lattice, and the data sets by short-range order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...family import FamilyReport
from ...model import Model
from ...numbers import distribution
from ...parts import Made, Row, Rows
from .datasets import AlloySets, read_sets
from .figures import SHELLS, draw_clusters, draw_formation_energies, draw_order, draw_vacancies

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class AlloyReport(FamilyReport):
    """Reports on alloys: clean-up, order, and what ``dismai.dataset.alloy`` has chosen."""

    def dataset(self, made: Made) -> AlloySets | None:
        """Return the data sets; None before any was chosen."""
        return read_sets(made)

    def rows(self, models: Sequence[Model]) -> list[Rows]:
        """Return what the clean-up has found, and the Warren–Cowley parameters of the nearest shells."""
        cleaned = [
            Row("empty sites in all", _generated("n_vacant_sites")),
            Row("atoms removed in all", _generated("n_removed_atoms")),
            Row("structures by alignment", _aligned),
        ]
        labels = dict.fromkeys(label for model in models for label in model.metrics.get("sro") or {})
        nearest = [Row(label.replace("_", " "), _order(label)) for label in labels if label.startswith(SHELLS)]
        return [
            Rows("clean-up on the lattice", cleaned),
            Rows("short-range order (Warren–Cowley): mean ± standard deviation", nearest, "shell, pair"),
        ]

    def figures(self, models: Sequence[Model]) -> Mapping[str, Sequence[Figure | None]]:
        """Draw order, clusters, empty sites and formation energies."""
        draw = (draw_order, draw_clusters, draw_vacancies, draw_formation_energies)
        return {"Order on the lattice": [figure(models) for figure in draw]}


def _generated(name: str) -> Callable[[Model, str], Any]:
    return lambda model, where: model.metrics.get(name) if where == "generated" else None


def _aligned(model: Model, where: str) -> str | None:
    used = {name: n for name, n in (model.metrics.get("alignments") or {}).items() if n}
    return ", ".join(f"{name} {n}" for name, n in used.items()) or None if where == "generated" else None


def _order(label: str) -> Callable[[Model, str], Any]:
    return lambda model, where: distribution(((model.metrics.get("sro") or {}).get(label) or {}).get(where))
