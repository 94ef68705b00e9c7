"""What a kind of structures has besides its distances: energies, coordination, order on the lattice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .collect import Model, Report
from .numbers import number, with_spread

#: Shells whose order parameters are listed; the others are in the JSON.
SHELLS = ("1NN_", "2NN_")


@dataclass
class DetailTable:
    """A table of the training set beside the models.

    Attributes:
        title: its heading.
        columns: headings of the columns; the first is that of the rows.
        rows: cells, as text.
    """

    title: str
    columns: list[str]
    rows: list[list[str | None]]


def detail_tables(report: Report) -> list[DetailTable]:
    """Return the tables that there are numbers for, whatever the kind."""
    parts = (_energies, _coordination, _alloys, _order)
    return [found for part in parts if (found := part(report)) is not None]


def _table(
    report: Report, title: str, row_name: str, rows: Sequence[tuple[str, Callable[[Model, str], Any]]]
) -> DetailTable | None:
    """Build a table: each row is given what it reads from a model, of the set ``training`` or ``generated``.

    The training set's side is the same for all models, so that of the first is shown.
    """
    if not report.models:
        return None
    columns = [row_name, "training set", *(model.name.replace("_", " ") for model in report.models)]
    cells = []
    for name, read in rows:
        values = [read(report.models[0], "training"), *(read(model, "generated") for model in report.models)]
        if any(value is not None for value in values):
            cells.append(
                [name, *(value if value is None or isinstance(value, str) else number(value) for value in values)]
            )
    return DetailTable(title, columns, cells) if cells else None


def _distribution(entry: dict[str, Any] | None) -> str | None:
    """Return mean and standard deviation."""
    if not entry or entry.get("mean") is None:
        return None
    return with_spread(entry["mean"], entry["std"])


def _energies(report: Report) -> DetailTable | None:
    """Return mean, spread and the distance of the distributions."""

    def spread(name: str) -> Callable[[Model, str], Any]:
        return lambda model, where: _distribution((model.metrics.get(name) or {}).get(where))

    def distance(name: str) -> Callable[[Model, str], Any]:
        return lambda model, where: (model.metrics.get(name) or {}).get("wasserstein") if where == "generated" else None

    rows = []
    for name, what in (("energy_per_atom", "energy, eV/atom"), ("interface_energy", "interface energy, J/m²")):
        rows += [(what, spread(name)), (f"{what}: distance of the distributions", distance(name))]
    rows.append(("formation energy, eV/atom", spread("formation_energy")))
    return _table(report, "energies: mean ± standard deviation", "", rows)


def _coordination(report: Report) -> DetailTable | None:
    """Return shares of the coordination numbers and the bond angles of amorphous structures."""
    found = {
        cn
        for model in report.models
        for shares in (model.metrics.get("coordination_percent") or {}).values()
        for cn in shares
    }

    def share(cn: str) -> Callable[[Model, str], Any]:
        def read(model: Model, where: str) -> Any:
            shares = (model.metrics.get("coordination_percent") or {}).get(where)
            return number(float(shares.get(cn, 0.0)), 3) if shares else None

        return read

    def angle(name: str) -> Callable[[Model, str], Any]:
        return lambda model, where: (model.metrics.get(f"bond_angle_{name}") or {}).get(where)

    rows = [(f"CN {cn}, % of the atoms", share(cn)) for cn in sorted(found, key=int)]
    rows += [("bond angle, mean, degrees", angle("mean")), ("bond angle, standard deviation, degrees", angle("sigma"))]
    return _table(report, "coordination and bond angles", "", rows)


def _alloys(report: Report) -> DetailTable | None:
    """Return what the clean-up of alloys has found."""

    def count(name: str) -> Callable[[Model, str], Any]:
        return lambda model, where: model.metrics.get(name) if where == "generated" else None

    def aligned(model: Model, where: str) -> Any:
        used = {name: n for name, n in (model.metrics.get("alignments") or {}).items() if n}
        return ", ".join(f"{name} {n}" for name, n in used.items()) or None if where == "generated" else None

    rows = [
        ("empty sites in all", count("n_vacant_sites")),
        ("atoms removed in all", count("n_removed_atoms")),
        ("structures by alignment", aligned),
    ]
    return _table(report, "clean-up on the lattice", "", rows)


def _order(report: Report) -> DetailTable | None:
    """Return the Warren–Cowley parameters of the nearest shells."""
    found = list(dict.fromkeys(label for model in report.models for label in model.metrics.get("sro") or {}))

    def order(label: str) -> Callable[[Model, str], Any]:
        return lambda model, where: _distribution(((model.metrics.get("sro") or {}).get(label) or {}).get(where))

    rows = [(label.replace("_", " "), order(label)) for label in found if label.startswith(SHELLS)]
    return _table(report, "short-range order (Warren–Cowley): mean ± standard deviation", "shell, pair", rows)
