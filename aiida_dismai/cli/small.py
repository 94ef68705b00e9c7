"""The small data sets that ship with the package, as nodes of a profile."""

from __future__ import annotations

from typing import Any

import click

from ..engine.errors import BadInput
from ..engine.small.catalogue import PREFIX, SmallSet, available, find
from ..terminal import console, table
from .profiles import load_profile

#: Extra of the nodes, by which they are found again.
EXTRA = "dismai_small"


def is_small(identifier: str | None) -> bool:
    """Whether what the user wrote names one of these sets."""
    return identifier is not None and identifier.startswith(PREFIX)


def small_nodes(chosen: SmallSet) -> dict[str, Any]:
    """Return the nodes of a set, stored now unless they are in the profile already.

    Returns:
        ``train``, ``validation`` and, for a set that was relaxed with it, ``potential``.

    Raises:
        BadInput: a file of the package is damaged.
    """
    from ..data import PotentialData, StructureSetData

    nodes: dict[str, Any] = {}
    for part in ("train", "validation"):
        structures = chosen.load(part)
        key = {"set": chosen.name, "part": part, "content": structures.content_hash}
        nodes[part] = _known(StructureSetData, key) or _store(StructureSetData(structures), chosen, key)
    if chosen.potential_folder is not None:
        fresh = PotentialData(chosen.potential_folder)
        key = {"set": chosen.name, "part": "potential", "content": fresh.base.attributes.get("sha256")}
        nodes["potential"] = _known(PotentialData, key) or _store(fresh, chosen, key)
    return nodes


def _known(kind: type, key: dict[str, Any]) -> Any:
    from aiida.orm import QueryBuilder

    query = QueryBuilder().append(kind, filters={f"extras.{EXTRA}.set": key["set"]})
    return next((node for node in query.all(flat=True) if node.base.extras.get(EXTRA) == key), None)


def _store(node: Any, chosen: SmallSet, key: dict[str, Any]) -> Any:
    node.label = f"{PREFIX}{chosen.name}.{key['part']}"
    node.description = f"{chosen.summary}; ships with aiida-dismai"
    node.store()
    node.base.extras.set(EXTRA, key)
    return node


@click.command("small")
@click.argument("names", nargs=-1)
def small_command(names: tuple[str, ...]) -> None:
    """Put the small data sets NAMES (all by default) that ship with the package into the profile.

    Launches take them by name, too: `launch benchmark --dataset small:alloy_300K_wide`. What is there already stays.
    """
    chosen = [find(name) for name in names] or list(available().values())
    if not chosen:
        raise BadInput("this installation has no small data sets; install the package again")
    load_profile()
    rows = []
    for item in chosen:
        nodes = small_nodes(item)
        potential = nodes.get("potential")
        rows.append(
            (
                f"{PREFIX}{item.name}",
                f"{len(nodes['train'])} <{nodes['train'].pk}>",
                f"{len(nodes['validation'])} <{nodes['validation'].pk}>",
                None if potential is None else f"<{potential.pk}>",
                item.summary,
            )
        )
    titles = ("data set", "training <PK>", "validation <PK>", "potential", "")
    console().print(table("small data sets", titles, rows))
