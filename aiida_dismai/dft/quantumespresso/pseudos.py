"""Families of pseudopotentials as aiida-pseudo keeps them: what is there, for which functional, with which cut-offs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aiida.orm import QueryBuilder
from aiida_pseudo.data.pseudo import UpfData
from aiida_pseudo.groups.family import PseudoPotentialFamily
from aiida_pseudo.groups.mixins import RecommendedCutoffMixin

from ...engine.errors import BadInput, nearest
from ..base import PotentialFile, Potentials

#: How UPF headers spell the functionals that have a name here.
FUNCTIONALS = {
    "PBE": "PBE",
    "SLA PW PBE PBE": "PBE",
    "SLA PW PBX PBC": "PBE",
    "PBESOL": "PBEsol",
    "SLA PW PSX PSC": "PBEsol",
    "LDA": "LDA",
    "PZ": "LDA",
    "PW": "LDA",
    "SLA PZ": "LDA",
    "SLA PZ NOGX NOGC": "LDA",
    "SLA PW NOGX NOGC": "LDA",
}
_HEADER = re.compile(r"""functional\s{0,20}=\s{0,20}["']\s{0,20}([^"']{1,200})["']""")
_HEADER_V1 = re.compile(r"^[ \t]{0,80}(\S.{0,200}?)[ \t]{1,80}Exchange-Correlation functional", re.MULTILINE)
#: Characters of a pseudopotential that are read; the largest have a few million.
LARGEST = 32 * 2**20
#: Where aiida-pseudo's own families begin in their names.
_OFFICIAL = {"SSSP": "sssp", "PseudoDojo": "pseudo-dojo"}


def families() -> list[str]:
    """Return the names of the families of UPF files."""
    found = QueryBuilder().append(PseudoPotentialFamily).all(flat=True)
    return sorted(group.label for group in found if group.pseudo_type in (None, "pseudo.upf"))


def families_of(nodes: Iterable[Any]) -> list[Any]:
    """Return the families that hold any of some pseudopotentials."""
    pks = [node.pk for node in nodes]
    if not pks:
        return []
    query = QueryBuilder().append(UpfData, filters={"id": {"in": pks}}, tag="pseudo")
    return query.append(PseudoPotentialFamily, with_node="pseudo").distinct().all(flat=True)


def find_family(name: str) -> PseudoPotentialFamily:
    """Return a family.

    Raises:
        BadInput: no such family (names the nearest).
    """
    found = QueryBuilder().append(PseudoPotentialFamily, filters={"label": name}).first(flat=True)
    if found is None:
        known = nearest(name, families())
        hint = install_command(name, "FOLDER")
        raise BadInput(f"family of pseudopotentials '{name}' is not in this profile{known}; install it: {hint}")
    return found


def install_command(name: str, folder: str) -> str:
    """Return the commands that install a family: aiida-pseudo's own one, or one of a folder of UPF files."""
    official = _OFFICIAL.get(name.split("/")[0])
    if official is not None:
        parts = name.split("/")
        options = f"-v {parts[1]} -x {parts[2]}" if len(parts) > 2 else ""
        if official == "sssp" and len(parts) == 4:
            options += f" -p {parts[3]}"
        if official == "pseudo-dojo" and len(parts) == 6:
            options += f" -r {parts[3]} -p {parts[4]} -f {parts[5]}"
        return (
            f"aiida-pseudo install {official} {options} (without internet: add --download-only on another machine, and "
            "--from-download FILE here)"
        )
    return (
        f"aiida-pseudo install family {folder} {name} -F pseudo.family.cutoffs -P pseudo.upf; aiida-pseudo family "
        f"cutoffs set {name} CUTOFFS.json -s normal -u Eh"
    )


def check_family(elements: Sequence[str], potentials: Potentials) -> list[str]:
    """Return what is missing: the family, an element in it."""
    if potentials.mapping:
        return ["a family of aiida-pseudo has one pseudopotential for each element: set potential_mapping to null"]
    try:
        family = find_family(potentials.family)
    except BadInput as error:
        return [str(error)]
    nodes = {node.element: node for node in family.pseudos.values()}
    found = []
    missing = [element for element in elements if element not in nodes]
    if missing:
        found.append(
            f"family '{potentials.family}' has no pseudopotential of {', '.join(missing)} (it has those of "
            f"{_some(sorted(nodes))}): choose another one as potential_family, or install one with them: "
            f"{install_command('NAME', 'FOLDER')}"
        )
    odd = [element for element in elements if element in nodes and not isinstance(nodes[element], UpfData)]
    if odd:
        found.append(f"family '{potentials.family}': that of {', '.join(odd)} is no UPF file, which pw.x needs")
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"


def list_pseudos(potentials: Potentials, elements: Iterable[str] = ()) -> list[PotentialFile]:
    """Return the pseudopotentials of a family, or those of some elements; none without the family."""
    try:
        nodes = pseudos_of(potentials.family)
    except BadInput:
        return []
    wanted = list(elements) or sorted(nodes)
    return [
        PotentialFile(element, nodes[element].filename, f"MD5 {nodes[element].md5}")
        if element in nodes
        else PotentialFile(element, element, None)
        for element in wanted
    ]


def pseudos_of(name: str) -> dict[str, UpfData]:
    """Return the pseudopotential of each element.

    Raises:
        BadInput: no such family.
    """
    return dict(find_family(name).pseudos)


def functional_of(pseudo: UpfData) -> str:
    """Return the functional that a pseudopotential was made with, by its name here where it has one."""
    return _functional(pseudo.uuid)


@cache
def _functional(uuid: str) -> str:
    from aiida.orm import load_node

    content = _text_of(load_node(uuid))
    match = _HEADER.search(content) or _HEADER_V1.search(content)
    if match is None:
        return "unknown"
    words = match.group(1).upper().replace("-", " ").split()
    whole = " ".join(words)
    return FUNCTIONALS.get(whole) or FUNCTIONALS.get(" ".join(words[:4])) or whole


def _text_of(pseudo: Any) -> str:
    """Return the text of a pseudopotential, as far as one is long; families come from others."""
    with pseudo.open(mode="rb") as handle:
        return str(handle.read(LARGEST).decode(errors="replace"))


def has_shell(pseudo: UpfData, shell: str) -> bool:
    """Whether a pseudopotential has the atomic wave functions of a shell, such as ``3d``, that U is projected on."""
    content = _text_of(pseudo)
    waves = content[content.find("<PP_PSWFC") : content.find("</PP_PSWFC>")]
    return re.search(rf"\b{shell.upper()}\b", waves.upper()) is not None


def cutoffs(name: str, elements: Sequence[str], stringency: str | None) -> tuple[float, float]:
    """Return the cut-offs that a family recommends, the largest of the elements.

    Args:
        name: of the family.
        elements: those that occur.
        stringency: which recommendation; None takes the family's default.

    Returns:
        Of wave functions and density, Ry.

    Raises:
        BadInput: no such family, it recommends none, or none of this stringency.
    """
    family = find_family(name)
    known: tuple[Any, ...] = ()
    if isinstance(family, RecommendedCutoffMixin):
        known = family.get_cutoff_stringencies()
    if not known:
        raise BadInput(
            f"family '{name}' recommends no cut-offs: set them (aiida-pseudo family cutoffs set {name} CUTOFFS.json -s "
            "normal -u Eh), or give parameters.SYSTEM.ecutwfc and ecutrho (Ry)"
        )
    if stringency is not None and stringency not in known:
        raise BadInput(
            f"family '{name}' has no cut-offs '{stringency}', it has {', '.join(known)}: set parameters.stringency to "
            "one of them, or to null for the family's default"
        )
    try:
        wave, density = family.get_recommended_cutoffs(elements=tuple(elements), stringency=stringency, unit="Ry")
    except ValueError as error:
        raise BadInput(f"family '{name}': {error}") from error
    return float(wave), float(density)


@dataclass(frozen=True)
class Survey:
    """What a family is good for.

    Attributes:
        name: of the family.
        missing: elements that it does not have, of those asked for.
        functionals: of its pseudopotentials of these elements, by the names that have one here.
        cutoffs: recommended cut-offs of wave functions and density for these elements, Ry, by stringency; None where
            the recommendation is not complete.
        problems: what keeps the family from being used.
    """

    name: str
    missing: tuple[str, ...]
    functionals: tuple[str, ...]
    cutoffs: dict[str, tuple[float, float] | None]
    problems: tuple[str, ...]


def survey(name: str, elements: Sequence[str], functional: str | None) -> Survey:
    """Look at a family.

    Args:
        name: of the family.
        elements: that it should have.
        functional: that it should be made for; None does not ask.

    Raises:
        BadInput: no such family.
    """
    family = find_family(name)
    nodes = dict(family.pseudos)
    present = [element for element in elements if element in nodes]
    problems = check_family(elements, Potentials(name))
    of_upf = [element for element in present if isinstance(nodes[element], UpfData)]
    functionals = tuple(sorted({functional_of(nodes[element]) for element in of_upf}))
    if functional is not None and set(functionals) - {functional}:
        problems.append(f"made for {', '.join(functionals)}, not for {functional}")
    found: dict[str, tuple[float, float] | None] = {}
    known = family.get_cutoff_stringencies() if isinstance(family, RecommendedCutoffMixin) else ()
    for stringency in known:
        try:
            pair = cutoffs(name, present, stringency) if present else None
        except BadInput:
            pair = None
        if pair is not None and not 0 < pair[0] <= pair[1]:
            problems.append(
                f"cut-offs '{stringency}' are {pair[0]:g} and {pair[1]:g} Ry: not positive, or the wrong way"
            )
        found[stringency] = pair
    if not known:
        problems.append(f"recommends no cut-offs: aiida-pseudo family cutoffs set {name} CUTOFFS.json -s normal -u Eh")
    missing = tuple(element for element in elements if element not in nodes)
    return Survey(name, missing, functionals, found, tuple(problems))
