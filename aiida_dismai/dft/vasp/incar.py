"""INCAR: from the settings of a stage to tags, and which tags are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.errors import BadInput, nearest
from ..settings import StageSettings
from .trust import WITHOUT_STRESS


def incar(settings: StageSettings) -> dict[str, Any]:
    """Return the tags of a stage, names in lower case."""
    tags = {name.lower(): value for name, value in settings.parameters.items()}
    if settings.dipole_correction:
        tags |= {"ldipol": True, "idipol": 3}
    return tags


#: What the tag GGA stands for; "--" and nothing leave it to the POTCARs.
GGA = {"PE": "PBE", "PS": "PBEsol", "CA": "LDA", "91": "PW91", "RP": "RPBE", "RE": "revPBE", "AM": "AM05"}


def functional_of(settings: StageSettings) -> str:
    """Return the functional that the tags ask for, "?" if they leave it to the POTCARs and the settings say none."""
    tags = incar(settings)
    base = str(tags.get("gga", "")).strip().upper()
    found = GGA.get(base, base if base.strip("-") else settings.functional or "?")
    if str(tags.get("metagga", "")).strip("- "):
        found = str(tags["metagga"]).strip().upper()
    exact = str(tags.get("lhfcalc", "")).strip(". ").upper() in ("TRUE", "T")
    return f"{found}+exact" if exact else found


def check_tags(settings: StageSettings) -> None:
    """Refuse tags with which nothing would come out.

    Raises:
        BadInput: an unknown tag (names the nearest), one that other settings write, or one without which or with which
            labels cannot be made.
    """
    from aiida_vasp.assistant.parameters import ParametersMassage

    owned = {"magmom": "magnetic_moments", "ldauu": "hubbard_u", "ldaul": "hubbard_u", "ldauj": "hubbard_u"}
    for name in settings.parameters:
        if name.lower() == "pstress":
            raise BadInput(
                "INCAR tag 'PSTRESS': VASP then writes enthalpies for energies, which are no labels; leave it out"
            )
        if name.lower() in owned:
            raise BadInput(f"INCAR tag '{name}' depends on the order of the atoms: give {owned[name.lower()]} instead")
    made = functional_of(settings)
    if settings.functional is not None and made != settings.functional:
        raise BadInput(
            f"INCAR tags: GGA, METAGGA and LHFCALC ask for {made}, but functional is {settings.functional}: they must "
            "agree"
        )
    _check_stress({name.lower(): value for name, value in settings.parameters.items()})
    known = getattr(ParametersMassage({"incar": {}}), "_valid_parameters", ())
    unknown = [name for name in settings.parameters if known and name.lower() not in known]
    if unknown:
        said = [f"'{name}'" + nearest(name.lower(), known).partition("; known are")[0] for name in unknown]
        raise BadInput(f"parameters: unknown INCAR tag {', '.join(said)}")
    try:
        ParametersMassage({"incar": incar(settings)})
    except Exception as error:  # aiida-vasp raises several types, some of them plain Exception
        raise BadInput(f"INCAR tags: {error}") from error


def _check_stress(tags: Mapping[str, Any]) -> None:
    """Refuse tags with which VASP computes no stress: every label needs it.

    ISIF is 2 by default, but 0 in molecular dynamics and with exact exchange.
    """
    default = "IBRION = 0" if _whole(tags.get("ibrion")) == 0 else None
    if str(tags.get("lhfcalc", "")).strip(". ").upper() in ("TRUE", "T"):
        default = "LHFCALC"
    given = _whole(tags.get("isif", 0 if default else 2))
    if given in WITHOUT_STRESS:
        why = f"ISIF = {given}" if "isif" in tags else f"ISIF is 0 by default with {default}"
        raise BadInput(f"INCAR tags: {why}: {WITHOUT_STRESS[given]}, but every label needs it; set ISIF to 2 or more")


def _whole(value: Any) -> int | None:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return None
