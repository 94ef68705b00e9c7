"""The provenance graph as a picture: from the bulk crystals to the metrics."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from ..engine.errors import BadInput
from ..engine.files import write_atomically
from ..engine.text import visible

#: Characters of a label at most.
LABEL = 60
#: Characters that XML does not allow.
INVALID = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

#: Nodes that every job has and that say little in a picture; ``verdi node graph generate`` shows them too.
LEFT_OUT = (
    "Code",
    "Dict",
    "Int",
    "Float",
    "Bool",
    "Str",
    "List",
    "KpointsData",
    "RemoteData",
    "FolderData",
)


def draw_provenance(node: Any, path: Path) -> int:
    """Draw the data provenance of what a process gave out, and write it as SVG.

    Structures, weights, arrays and the jobs and functions between them are drawn; codes, parameters and
    potentials of DFT codes are left out, except that results without successors (the metrics) stay.

    Args:
        node: a finished process, or a data node.
        path: the file to write, ending in ``.svg``.

    Returns:
        How many nodes are drawn.

    Raises:
        BadInput: graphviz' ``dot`` is not installed (says the line that installs it).
    """
    from aiida.common.links import LinkType
    from aiida.orm import CalculationNode, ProcessNode
    from aiida.orm.utils.links import LinkPair
    from aiida.tools.visualization import Graph

    from ..dft import engines

    if shutil.which("dot") is None:
        raise BadInput("the graph cannot be drawn: graphviz is not installed (apt-get install graphviz)")
    graph = Graph(graph_attr={"rankdir": "LR", "nodesep": "0.15", "ranksep": "0.6"}, node_sublabel_fn=_sublabel)
    ends = list(_data_of(node)) if isinstance(node, ProcessNode) else [node]
    waiting, seen = list(ends), {end.pk for end in ends}
    final = {end.pk for end in ends}
    potentials = tuple(start for engine in engines() for start in engine.potential_types)
    while waiting:
        current = waiting.pop()
        graph.add_node(current)
        types = (LinkType.CREATE,) if not isinstance(current, CalculationNode) else (LinkType.INPUT_CALC,)
        for link in current.base.links.get_incoming(link_type=types):
            name, of_type = type(link.node).__name__, link.node.node_type
            left_out = name in LEFT_OUT or of_type.startswith(potentials)
            if (left_out and link.node.pk not in final) or "Code" in name:
                continue
            graph.add_node(link.node)
            graph.add_edge(link.node, current, LinkPair(link.link_type, link.link_label))
            if link.node.pk not in seen:
                seen.add(link.node.pk)
                waiting.append(link.node)
    content = INVALID.sub("", graph.graphviz.pipe(format="svg").decode(errors="replace"))
    write_atomically(path, lambda handle: handle.write(content.encode()))
    return len(seen)


def _data_of(process: Any) -> list[Any]:
    """Return the outputs of a process that nothing else in it was made from, and those that are a result."""
    from aiida.common.links import LinkType

    links = process.base.links.get_outgoing(link_type=(LinkType.RETURN, LinkType.CREATE)).all()
    return list({link.node.pk: link.node for link in links}.values())


def _sublabel(node: Any) -> str:
    """Return the second line of a node in the picture: what it holds; a backslash means something to graphviz."""
    return visible(_held(node), LABEL).replace("\\", "\\\\")


def _held(node: Any) -> str:
    from aiida.orm import Dict, StructureData

    from ..data import GeneratorData, PotentialData, StructureSetData

    if isinstance(node, StructureSetData):
        return f"{len(node)} structures"
    if isinstance(node, StructureData):
        return str(node.label or node.get_formula())
    if isinstance(node, PotentialData):
        return str(node.base.attributes.get("architecture", ""))
    if isinstance(node, GeneratorData):
        return node.model
    if isinstance(node, Dict):
        return str(node.get("task", ""))
    return ""
