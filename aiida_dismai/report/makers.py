"""Which processes have made the data set of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..engine.families.contract import FamilySpec
from ..engine.families.registry import made_by
from ..provenance import inputs_of, outputs_of
from .parts import Made


def makers_of(node: Any) -> list[tuple[FamilySpec, Made]]:
    """Return what made the data set of a process, at most one process of each family.

    This is the process itself, or those that it has called (a pipeline); if there are none, the one that made the
    training set which it was given. What makes data sets of a family says its spec, in ``dataset``.
    """
    found = {}
    for maker in (node, *_called(node)):
        family = _family_of(maker)
        if family is not None and family.name not in found:
            found[family.name] = (family, Made(maker, inputs_of(maker), outputs_of(maker)))
    if not found:
        inputs = inputs_of(node)
        train = inputs.get("train", inputs.get("reference"))
        for maker in _behind(train):
            family = _family_of(maker)
            if family is not None:
                return [(family, Made(maker, inputs_of(maker), outputs_of(maker), train))]
    return list(found.values())


def _family_of(process: Any) -> FamilySpec | None:
    return made_by(str(process.process_type or "").rpartition(":")[2])


def _called(node: Any) -> list[Any]:
    from aiida.common.links import LinkType

    return sorted(
        node.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all_nodes(), key=lambda process: process.pk
    )


def _behind(data: Any) -> Iterator[Any]:
    """Yield the process that made a data node, and those that called it, from the inside to the outside."""
    process = getattr(data, "creator", None)
    while process is not None:
        yield process
        process = process.caller
