"""Loading the profile and the nodes that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..engine.errors import BadInput
from ..engine.text import visible

if TYPE_CHECKING:
    from aiida.orm import Node


def load_profile() -> Any:
    """Load the profile of `--profile`, or AiiDA's default one; no other is ever touched.

    Raises:
        ProfileConfigurationError: there is no such profile, or none at all.
    """
    from aiida import load_profile as load
    from aiida.manage import get_manager

    name = (click.get_current_context().find_root().obj or {}).get("profile")
    loaded = get_manager().get_profile()
    if loaded is not None and name in (None, loaded.name):
        return loaded
    return load(name)


def load_node(identifier: str | int, *types: type, what: str = "node") -> Any:
    """Return the node with this PK, UUID (or its beginning) or label.

    Args:
        identifier: as the user wrote it.
        types: the classes it may have; any when none is given.
        what: named in the error.

    Raises:
        BadInput: no such node, several of that label, or a node of another type.
    """
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import load_node as load

    text = str(identifier)
    try:
        node: Node = load(text)
    except MultipleObjectsError as error:
        raise BadInput(f"{what}: several nodes begin with '{text}'; give more of the UUID, or the PK") from error
    except (NotExistent, ValueError) as error:
        node = _by_label(text, what, error)
    if types and not isinstance(node, types):
        wanted = " or ".join(item.__name__ for item in types)
        raise BadInput(f"{what}: node {node.pk} is a {type(node).__name__}{_process(node)}, not a {wanted}")
    return node


def _process(node: Any) -> str:
    label = getattr(node, "process_label", None)
    return f" ({label})" if label else ""


def _by_label(text: str, what: str, error: Exception) -> Any:
    from aiida.orm import Node, QueryBuilder

    found = QueryBuilder().append(Node, filters={"label": text}).all(flat=True)
    if not found:
        nor = " and no such file" if Path(text).suffix else ""
        raise BadInput(
            f"{what}: no node with the PK, UUID or label '{text}' in this profile{nor}; `verdi process list -a` "
            "and `verdi node show` tell what is there"
        ) from error
    if len(found) > 1:
        pks = ", ".join(str(node.pk) for node in found[:8])
        raise BadInput(f"{what}: {len(found)} nodes have the label '{text}' (PK {pks}); give the PK") from error
    return found[0]


def is_imported(code: Any) -> bool:
    """Whether a code came with an archive: as part of an import, or made by a user who is not that of the profile."""
    from aiida.orm import ImportGroup, QueryBuilder, User

    mine = User.collection.get_default()
    if mine is not None and code.user.pk != mine.pk:
        return True
    members = QueryBuilder().append(ImportGroup, tag="group")
    members.append(type(code), with_group="group", filters={"id": code.pk})
    return members.count() > 0


def described(code: Any) -> str:
    """Return how a code is named where there is a choice: label, PK, executable, and whether an archive brought it."""
    imported = ", imported" if is_imported(code) else ""
    return f"{visible(code.full_label)} (PK {code.pk}, {visible(code.get_executable())}{imported})"


def load_code(label: str) -> Any:
    """Return a code by PK, UUID, label or ``label@computer``.

    Raises:
        BadInput: no such code, or several.
    """
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import AbstractCode, QueryBuilder
    from aiida.orm import load_code as load

    try:
        return load(label)
    except MultipleObjectsError as error:
        found = QueryBuilder().append(AbstractCode, filters={"label": label.partition("@")[0]}).all(flat=True)
        own = [code for code in found if not is_imported(code) and label in (code.label, code.full_label)]
        if len(own) == 1:
            return own[0]
        raise BadInput(
            f"several codes are called '{visible(label)}': {', '.join(map(described, found))}; give label@computer, or "
            "the PK"
        ) from error
    except (NotExistent, ValueError) as error:
        raise BadInput(
            f"no code '{label}' in this profile; `verdi code list` names them, `aiida-dismai setup code` makes one"
        ) from error


def visible_codes() -> list[Any]:
    """Return the codes on computers, in containers too, that are not hidden."""
    from aiida.orm import ContainerizedCode, InstalledCode, QueryBuilder

    found = QueryBuilder().append((InstalledCode, ContainerizedCode)).all(flat=True)
    return [code for code in found if not code.is_hidden]


def is_file(text: str) -> bool:
    """Whether what the user wrote names a file on this machine, and not a node."""
    from pathlib import Path

    return not text.isdigit() and Path(text).expanduser().is_file()


def import_structures(path: str, label: str = "") -> Any:
    """Read a file of structures into a stored `StructureSetData`.

    Raises:
        BadInput: the file cannot be read, has no lattice, or holds nothing.
    """
    from pathlib import Path

    from ..data import StructureSetData

    source = Path(path).expanduser()
    node = StructureSetData.from_file(source)
    node.label = label or source.name
    node.description = f"imported from {source.name}"
    return node.store()
