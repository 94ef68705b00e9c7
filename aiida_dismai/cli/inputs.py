"""What a launch is given: a node, or a file of which a node is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..engine.errors import BadInput
from ..report.links import split_name
from .profiles import is_file, load_node
from .published import published_folder


def structures_input(text: str, what: str) -> Any:
    """Return the structure set that a file holds (not stored yet), or a node's."""
    from ..data import StructureSetData
    from .dataset import find_structures

    if not is_file(text):
        return find_structures(text, what)
    path = Path(text).expanduser()
    node = StructureSetData.from_file(path)
    node.label = path.name
    return node


def reference_input(text: str, what: str) -> Any:
    """Return what generated structures are compared with: training structures, or what stands for them.

    Args:
        text: as for :func:`structures_input`; or the ``reference`` output of an evaluation; or a folder with the
            csv files that the benchmark's authors published (or a node of one).
        what: named in the errors.

    Raises:
        BadInput: none of these.
    """
    from aiida.orm import FolderData, ProcessNode, SinglefileData

    from ..data import StructureSetData
    from .dataset import find_structures

    path = Path(text).expanduser()
    if not text.isdigit() and path.is_dir():
        return published_folder(path, what)
    if is_file(text):
        return structures_input(text, what)
    node = load_node(split_name(text)[0], StructureSetData, SinglefileData, FolderData, ProcessNode, what=what)
    return find_structures(text, what) if isinstance(node, ProcessNode) else node


def expansion_input(text: str) -> Any:
    """Return the cluster expansion that a JSON file holds (not stored yet), or a node's.

    Raises:
        BadInput: no such node, or a file that is none.
    """
    from ..data import ClusterExpansionData

    if not is_file(text):
        return load_node(text, ClusterExpansionData, what="expansion")
    path = Path(text).expanduser()
    node = ClusterExpansionData(path)
    node.label = path.name
    return node


def crystal_input(text: str, what: str) -> Any:
    """Return the bulk crystal that a file holds (not stored yet), a `StructureData` node, or what `bulk` relaxed.

    Raises:
        BadInput: unreadable, or not exactly one structure.
    """
    from aiida.orm import ProcessNode, StructureData

    from ..data.structures import set_to_structure_data
    from ..engine.structures import load_structures

    if not is_file(text):
        node = load_node(text, StructureData, ProcessNode, what=what)
        if isinstance(node, StructureData):
            return node
        if "crystal" not in node.outputs:
            raise BadInput(f"{what}: {node.process_label}<{node.pk}> has no output 'crystal'; give a relaxed `bulk`")
        return node.outputs.crystal
    path = Path(text).expanduser()
    structures = load_structures(path).require(str(path))
    if len(structures) != 1:
        raise BadInput(f"{what}: {path} holds {len(structures)} structures; give a file with one bulk crystal")
    node = set_to_structure_data(structures)[0]
    node.label = path.stem
    return node
