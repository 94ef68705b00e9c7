"""Interfaces: the data set by energies, and the interface energies of its candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..drawing import DATA, add_histograms, new_figure
from ..family import FamilyReport
from ..nodes import energies_of
from ..numbers import number
from ..parts import DataSetPart, Headline, Made

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass
class InterfaceSet(DataSetPart):
    """A data set of interfaces.

    Attributes:
        numbers: counts, E_cut (eV/atom), window (J/m²), split, formulas, nodes; what is not known is missing or None.
        energies: ``(n,)`` of its structures, eV/atom.
        energy_limit: E_cut.
        interface_energies: ``(n,)`` of the converged candidates, J/m², relative to the window.
    """

    key = "dataset"
    numbers: dict[str, Any]
    energies: NDArray[Any] = field(default_factory=lambda: np.array([]))
    energy_limit: tuple[float, str] | None = None
    interface_energies: NDArray[Any] = field(default_factory=lambda: np.array([]))

    @property
    def n_structures(self) -> int | None:
        """How many structures it has; None where there is no data set yet."""
        return self.numbers.get("structures")

    def rows(self) -> list[tuple[str | None, ...]]:
        """Return counts, split and limits."""
        data = self.numbers
        split = f"{data['n_train']} / {data['n_validation']}" if data.get("n_train") is not None else None
        return [
            ("structures", number(data.get("structures"))),
            ("formula", ", ".join(data.get("formulas") or []) or None),
            ("training / validation", split),
            ("seed of the split", number(data.get("split_seed"))),
            ("candidates looked at", number(data.get("looked_at"))),
            ("of them converged", number(data.get("converged"))),
            ("of low interface energy", number(data.get("low"))),
            ("E_cut, eV/atom", number(data.get("e_cut"), 7)),
            ("lowest, eV/atom", number(data.get("lowest"), 7)),
            ("window, J/m²", number(data.get("window"))),
        ]

    def headline(self) -> list[Headline]:
        """Return the number of structures."""
        if self.n_structures is None:
            return []
        beside = f"of {self.numbers['looked_at']} candidates · E_cut {number(self.numbers['e_cut'], 5)} eV/atom"
        return [Headline(str(self.n_structures), "structures in the data set", beside)]

    def figures(self) -> list[Figure | None]:
        """Draw the interface energies of all converged candidates; those at or below zero are low."""
        if not len(self.interface_energies):
            return []
        title, x = "Interface energies of the candidates", "normalised interface energy, J/m²"
        figure = new_figure(title, x, "structures, %")
        add_histograms(figure, [("converged candidates", self.interface_energies, DATA)])
        line = {"color": "#8a2be2", "dash": "dot", "width": 1.5}
        figure.add_vline(x=0, line=line, annotation_text="low ≤ 0")
        figure.update_layout(showlegend=False)
        return [figure]

    def content(self) -> dict[str, Any]:
        """Return the numbers."""
        return self.numbers


class InterfaceReport(FamilyReport):
    """Reports on interfaces: what ``dismai.dataset.interface`` has chosen by energy."""

    def dataset(self, made: Made) -> InterfaceSet | None:
        """Return the data set; None before structures were chosen."""
        outputs = made.outputs
        if "energies" not in outputs:
            return None
        numbers = outputs["energies"].get_dict()
        found = InterfaceSet(numbers)
        if numbers.get("e_cut") is not None:
            found.energy_limit = (numbers["e_cut"], "E_cut")
        found.interface_energies = np.array(numbers.pop("interface_energies", []), dtype=float)
        split = outputs["split"].get_dict() if "split" in outputs else {}
        named = ("dataset", "train", "validation", "candidates")
        numbers |= {
            "split_seed": split.get("seed"),
            "n_train": len(split["train"]) if "train" in split else None,
            "n_validation": len(split["validation"]) if "validation" in split else None,
            "nodes": {name: outputs[name].pk for name in named if name in outputs},
        }
        dataset = outputs.get("dataset")
        if dataset is not None:
            numbers |= {
                "structures": len(dataset),
                "formulas": dataset.formulas[:3],
                "n_atoms": dataset.base.attributes.get("n_atoms"),
                "content_hash": dataset.content_hash,
            }
            found.energies = energies_of(dataset.structures)
        return found
