"""What a launch takes from earlier processes: a potential, the two parts of a data set, their family and relaxation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engine.errors import BadInput
from ..engine.small.catalogue import find as find_small
from ..provenance import inputs_of, outputs_of
from ..report.links import find_port, ports_of_set, split_name
from .executes import inherited_relaxation
from .profiles import load_node
from .small import is_small, small_nodes

if TYPE_CHECKING:
    from ..engine.families.contract import FamilySpec


def find_potential(identifier: str | None) -> Any:
    """Return a potential: the node itself, or the output ``potential`` of a process; None for None.

    Raises:
        BadInput: no such node, or a process without such an output.
    """
    from aiida.orm import ProcessNode

    from ..data import PotentialData

    if identifier is None:
        return None
    identifier, chosen = split_name(identifier)
    node = load_node(identifier, PotentialData, ProcessNode, what="potential")
    if isinstance(node, PotentialData):
        return node
    ports_of_set(node, chosen, "potential")  # which of several is meant, before the potential of it is looked for
    for ports in (outputs_of(node), inputs_of(node)):
        found = find_port(ports, "potential")
        if found is not None:
            return found
    raise BadInput(f"potential: {node.process_label}<{node.pk}> neither gave nor used a potential; give the PK of one")


def find_split(identifier: str) -> tuple[Any, Any]:
    """Return the training and the validation set of a process that made a data set, ``81`` or ``81:T300_wide``.

    ``small:NAME`` is one that ships with the package.

    Raises:
        BadInput: no such process, or one without the two.
    """
    from aiida.orm import ProcessNode

    from ..data import StructureSetData

    if is_small(identifier):
        nodes = small_nodes(find_small(identifier))
        return nodes["train"], nodes["validation"]
    identifier, name = split_name(identifier)
    node = load_node(identifier, ProcessNode, what="dataset")
    for ports in (ports_of_set(node, name, "dataset"), inputs_of(node)):
        train, validation = find_port(ports, "train"), find_port(ports, "validation")
        if isinstance(train, StructureSetData) and isinstance(validation, StructureSetData):
            return train, validation
    raise BadInput(
        f"dataset: {node.process_label}<{node.pk}> has no training and validation sets; give a "
        "`dismai.dataset.interface`, `.alloy` or `.amorphous`, or --train and --validation"
    )


def kind_of_set(dataset: str | None, kind: str | None) -> str | None:
    """Return the family that was asked for, or that of a data set's process; None where neither says it."""
    if kind is not None or dataset is None:
        return kind
    if is_small(dataset):
        return find_small(dataset).kind
    family = family_of_process(load_node(split_name(dataset)[0], what="dataset"))
    return None if family is None else family.name


def family_of_process(node: Any) -> FamilySpec | None:
    """Return the family whose data sets a process makes; None for any other process."""
    from ..engine.families.registry import made_by

    return made_by(str(getattr(node, "process_type", None) or "").rpartition(":")[2])


def evaluated_by(dataset: str | None, kind: str | None, potential: str | None) -> tuple[Any, dict[str, Any]]:
    """Return what generated structures are relaxed and measured with: as those of the data set were.

    Args:
        dataset: the process of the data set, or one that ships with the package; None without one.
        kind: of the structures.
        potential: what the user gave in place of the data set's.

    Returns:
        The trained potential or None, and overrides of the protocol of ``dismai.evaluate``: what families that are
        relaxed with a calculator by name were relaxed with is taken from the data set, as are parameters of the metrics
        for data sets of another size than the paper's.

    Raises:
        BadInput: there is no such potential, or the data set was relaxed with what may not be inherited.
    """
    if dataset is not None and is_small(dataset):
        chosen = find_small(dataset)
        given = {"metrics": {"parameters": dict(chosen.metrics)}} if chosen.metrics else {}
        own = small_nodes(chosen).get("potential") if potential is None else find_potential(potential)
        return own, given
    found, relaxation = relaxed_by(dataset, kind, potential)
    return found, {"relax": relaxation} if relaxation else {}


def relaxed_by(dataset: str | None, kind: str | None, potential: str | None) -> tuple[Any, dict[str, Any]]:
    """Return what generated structures are relaxed with: as those of the data set were, unless another is given.

    Args:
        dataset: the process of the data set, None without one.
        kind: of the structures.
        potential: what the user gave in its place.

    Returns:
        The trained potential or None, and overrides of the protocol of ``dismai.relax``: what families that are
        relaxed with a calculator by name were relaxed with is taken from the data set.

    Raises:
        BadInput: there is no such potential, or the data set was relaxed with what may not be inherited.
    """
    if potential is not None or dataset is None:
        return find_potential(potential), {}
    from ..engine.families.registry import find

    if kind is not None and not find(kind).relaxed:
        return None, {}  # whatever else the process has made
    node = load_node(split_name(dataset)[0], what="dataset")
    family = family_of_process(node)
    if family is None or not family.relaxation:
        return find_potential(dataset), {}
    ports = inputs_of(node)
    parameters: Any = ports
    for name in ("relax", "job", "parameters"):
        parameters = parameters.get(name) if isinstance(parameters, dict) else None
    return ports.get("potential"), {"parameters": inherited_relaxation(node, parameters)}
