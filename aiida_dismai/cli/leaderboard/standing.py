"""Who is where: entries by family and data set, ranked where their reference is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...engine.families.registry import find
from ...engine.metrics.ranking import Score, rank_on
from ...engine.results.result import Result
from ...report.family import find_report


@dataclass(frozen=True)
class Entry:
    """One result in a leaderboard.

    Attributes:
        folder: of its files.
        result: its content.
        verified: whether its numbers were computed again and were the same; None where nobody has tried.
    """

    folder: Path
    result: Result
    verified: bool | None = None

    @property
    def identifier(self) -> str:
        """Name of its folder."""
        return self.folder.name


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        entry: the result.
        rank: on the data set; None for a baseline.
        values: mean, minimum and maximum by measure; None where nothing could be analysed.
    """

    entry: Entry
    rank: int | None
    values: Mapping[str, tuple[float, float, float] | None]


@dataclass(frozen=True)
class Standing:
    """A table: the entries of one data set.

    Attributes:
        kind: family of structures.
        name: of the data set.
        reference_hash: that all entries have.
        measures: names, those that rank.
        titles: of the measures.
        rows: the best first, baselines last.
        floors: noise floor by measure; None for none.
    """

    kind: str
    name: str
    reference_hash: str
    measures: tuple[str, ...]
    titles: Mapping[str, str]
    rows: Sequence[Row]
    floors: Mapping[str, float | None]


def standings(entries: Sequence[Entry]) -> list[Standing]:
    """Return a table for each data set; entries of one name and different references stand in different tables."""
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        about = entry.result.dataset
        groups.setdefault((entry.result.kind, about.name, about.reference_hash), []).append(entry)
    return [_standing(*key, found) for key, found in sorted(groups.items())]


def _standing(kind: str, name: str, reference_hash: str, entries: list[Entry]) -> Standing:
    spec = find(kind)
    known: dict[str, dict[str, Any]] = {entry.identifier: entry.result.measures for entry in entries}
    ranked = tuple(m for m in measures_of(kind, known) if m in spec.ranked or m.startswith("d_"))
    competing = [entry.identifier for entry in entries if not entry.result.baseline]
    ranks: Mapping[str, int] = {}
    if competing:
        scores = {m: {one: _score(known[one].get(m)) for one in competing} for m in ranked if m in spec.ranked}
        ranks = rank_on(scores).rank
    rows = [
        Row(entry, ranks.get(entry.identifier), {m: _values(known[entry.identifier].get(m)) for m in ranked})
        for entry in entries
    ]
    main = spec.main
    rows.sort(
        key=lambda row: (row.rank is None, row.rank or 0, (row.values.get(main) or (9e99,))[0], row.entry.identifier)
    )
    floors = {
        m: next((f for one in known.values() if (f := (one.get(m) or {}).get("floor")) is not None), None)
        for m in ranked
    }
    titles = {m: find_report(kind).metric(m).title or m for m in ranked}
    return Standing(kind, name, reference_hash, ranked, titles, rows, floors)


def measures_of(kind: str, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the measures of a table: those that rank first, then the family's others that any entry has."""
    spec = find(kind)
    there = [name for one in known.values() for name in one if spec.metric(name) is not None]
    return list(dict.fromkeys([*spec.ranked, *there, "failed_percent"]))


def _score(measure: Mapping[str, Any] | None) -> Score:
    if not measure or measure.get("mean") is None:
        return Score.of(None)
    return Score.of(measure["mean"], measure.get("lower"), measure.get("upper"))


def _values(measure: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    if not measure or measure.get("mean") is None:
        return None
    return measure["mean"], measure["min"], measure["max"]
