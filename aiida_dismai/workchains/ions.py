"""Which oxidation states the metrics of interfaces are given: the user's, the paper's, or a guess that is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder, SinglefileData, StructureData

from ..data import StructureSetData
from ..engine.errors import BadInput
from ..engine.families.oxidation import OPTION, covered, guess_states, ions, written
from ..engine.families.registry import find, table_model
from ..engine.parameters import Parameters
from .checks import composition_of, elements_of, kind_of
from .problems import Problem
from .request import Request

#: Of a training set with fewer structures no noise floor can be drawn.
FEW = 3


def crystals_of(node: Any) -> list[StructureData]:
    """Return the two bulk crystals that a set was made from, as far as its history is there."""
    if not isinstance(node, StructureSetData) or not node.is_stored:
        return []
    query = QueryBuilder().append(StructureSetData, filters={"id": node.pk}, tag="set")
    query.append(
        CalcJobNode, with_descendants="set", filters={"process_type": {"like": "%dismai.interfaces.build"}}, tag="build"
    )
    query.limit(1)
    for build in query.all(flat=True):
        return [build.inputs[name] for name in ("slab_a", "slab_b") if name in build.inputs]
    return []


def _compositions(nodes: Sequence[Any]) -> Iterator[list[dict[str, int]]]:
    """Yield what the states can be guessed from: crystals, those in the history of a set, a whole structure."""
    from ase.formula import Formula

    yield [composition_of(node) for node in nodes if isinstance(node, StructureData)]
    for node in nodes:
        yield [composition_of(crystal) for crystal in crystals_of(node)]
    for node in nodes:
        if isinstance(node, StructureSetData) and node.formulas:
            yield [dict(Formula(node.formulas[0]).count())]


class Ions:
    """The ions of a data set.

    Args:
        request: gets what is wrong, and the line that shows a guess.
        given: oxidation states that the user gives beside the overrides.
        nodes: crystals, or sets of structures, that the states can be guessed from.
    """

    def __init__(self, request: Request, given: Mapping[str, float] | None, nodes: Sequence[Any]) -> None:
        self.request, self.given, self.nodes = request, given, nodes

    def complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters of the task ``metrics`` with the table of the ions filled in.

        What the overrides say stands. Else the states that are given; for elements of the paper its own; else a guess.
        Where none can be made, the parameters stay as they are, and the validator refuses them.
        """
        kind = kind_of(parameters)
        model = table_model(find(kind))
        if "oxidation_states" not in model.model_fields:
            if self.given:
                self.request.problems.append(Problem("", f"{OPTION} are of the metrics of interfaces, not of these"))
            return dict(parameters)
        table = parameters.get(kind)
        table = dict(table) if isinstance(table, Mapping) else {}
        states = table.get("oxidation_states") or self._states(kind, model)
        if not isinstance(states, Mapping):
            return dict(parameters)
        if not all(isinstance(value, Real) for value in states.values()):
            return {**parameters, kind: {**table, "oxidation_states": dict(states)}}  # refused by the port
        present = elements_of(*self.nodes) or list(states)
        missing = [symbol for symbol in present if symbol not in states]
        try:
            if missing:
                raise BadInput(f"{written(states)}: there is none of {', '.join(missing)}; give those of all elements")
            return {**parameters, kind: {**ions(states, present), **table}}
        except (BadInput, TypeError, ValueError) as error:
            self.request.problems.append(Problem("oxidation_states", str(error)))
        if len(present) < 2:
            return dict(parameters)
        # no builder is made of these: any ions will do, so that the validator does not refuse others a second time
        return {**parameters, kind: ions({symbol: 1 if n else -1 for n, symbol in enumerate(present)}, present)}

    def _states(self, kind: str, model: type[Parameters]) -> Mapping[str, float] | None:
        if self.given:
            return self.given
        for node in self.nodes:
            if isinstance(node, SinglefileData) and isinstance(node.creator, CalcJobNode):
                earlier = node.creator.inputs["parameters"].get_dict().get(kind) or {}
                return earlier.get("oxidation_states")  # the reference was made with these
        elements = elements_of(*self.nodes)
        if not elements or covered(model, elements):
            return None
        found = None
        for compositions in _compositions(self.nodes):
            try:
                guess = guess_states(compositions)
            except BadInput:
                continue
            if set(elements) <= set(guess):
                found = {symbol: guess[symbol] for symbol in sorted(elements, key=lambda symbol: guess[symbol] < 0)}
                break
        if found is None:
            return None
        self.request.notes.append(
            f"oxidation states guessed for the metrics: {written(found)} (others: {OPTION}, or the overrides)"
        )
        return found


def note_few(request: Request, node: Any) -> None:
    """Say so where a training set is too small to be compared with."""
    if isinstance(node, StructureSetData) and 0 < len(node) < FEW:
        _note(request, len(node), "has")


def note_small(request: Request, n_structures: int, validation_share: float) -> None:
    """Say so where the training set of a data set that is to be made will be too small to be compared with."""
    rest = n_structures - round(n_structures * validation_share)
    if 0 < rest < FEW:
        _note(request, rest, "will have")


def _note(request: Request, number: int, has: str) -> None:
    count = "one structure" if number == 1 else "two structures"
    request.notes.append(
        f"warning: the training set {has} {count}: distances to it and their noise floor will be meaningless"
    )
