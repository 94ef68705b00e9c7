"""Input of pw.x: from the settings of a stage to namelists, and which parameters are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput, nearest
from ..base import Potentials
from ..settings import StageSettings
from .pseudos import cutoffs, functional_of, has_shell, pseudos_of
from .structures import manifold

NAMELISTS = ("CONTROL", "SYSTEM", "ELECTRONS", "IONS", "CELL")
#: The one parameter that is no namelist: which of the family's recommended cut-offs.
STRINGENCY = "stringency"
CALCULATIONS = ("scf", "relax", "vc-relax")
#: Projectors of U: energies of different ones do not compare.
PROJECTORS = "ortho-atomic"
#: What the engine or the plugin writes itself, and what says it instead.
OWNED = {
    "pseudo_dir": "the plugin writes it",
    "outdir": "the plugin writes it",
    "prefix": "the plugin writes it",
    "restart_mode": "restarts write it",
    "max_seconds": "it follows from max_wallclock_seconds of the options",
    "tprnfor": "labels need forces",
    "tstress": "labels need the stress",
    "nat": "the structure gives it",
    "ntyp": "the structure gives it",
    "ibrav": "the structure gives it",
    "celldm": "the structure gives it",
    **dict.fromkeys(("a", "b", "c", "cosab", "cosac", "cosbc"), "the structure gives it"),
    "nspin": "give magnetic_moments instead",
    "noncolin": "labels are collinear",
    "starting_magnetization": "give magnetic_moments instead",
    "input_dft": "the pseudopotentials give the functional",
    "lda_plus_u": "give hubbard_u instead",
    "lda_plus_u_kind": "give hubbard_u instead",
    **dict.fromkeys(
        ("hubbard_u", "hubbard_j", "hubbard_j0", "hubbard_v", "hubbard_alpha", "hubbard_beta", "u_projection_type"),
        "give hubbard_u of the stage instead",
    ),
    **dict.fromkeys(("tefield", "dipfield", "edir", "emaxpos", "eopreg", "eamp"), "no field can be applied to labels"),
    "scf_must_converge": "energies of electrons that did not converge would be taken for good ones",
}
#: Names of pw.x that are newer than the lists which the plugin has.
NEWER = frozenset(
    (
        *("nextffield", "fire_alpha_init", "fire_falpha", "fire_nmin", "fire_f_inc", "fire_f_dec", "fire_dtmax"),
        *("dmft", "dmft_prefix", "diago_rmm_ndim", "diago_rmm_conv", "diago_gs_nblock", "pol_type", "sic_gamma"),
        *("sic_energy", "sci_vb", "sci_cb", "twochem", "nbnd_cond", "nelec_cond", "degauss_cond", "trism"),
        *("dftd3_version", "dftd3_threebody", "ensemble_energies", "one_atom_occupations"),
    )
)


def namelists(
    settings: StageSettings, elements: Sequence[str], potentials: Potentials, max_seconds: float | None = None
) -> dict[str, dict[str, Any]]:
    """Return the namelists of a stage for a structure.

    Args:
        settings: the stage.
        elements: those of the structure.
        potentials: the family.
        max_seconds: of the job; None leaves it out.

    Raises:
        BadInput: the family has no cut-offs and the parameters give none.
    """
    found: dict[str, dict[str, Any]] = _given(settings.parameters)
    found = {name: dict(found.get(name, {})) for name in NAMELISTS}
    control, system = found["CONTROL"], found["SYSTEM"]
    control.setdefault("calculation", "relax")
    control |= {"tprnfor": True, "tstress": True}
    if max_seconds is not None:
        control["max_seconds"] = max_seconds
    system["ecutwfc"], system["ecutrho"] = cutoffs_of(settings, elements, potentials)
    moments = settings.magnetic_moments or {}
    if any(moments.get(element) for element in elements):
        valence = {element: pseudo.z_valence for element, pseudo in pseudos_of(potentials.family).items()}
        system["nspin"] = 2
        system["starting_magnetization"] = {
            element: moments.get(element, 0.0) / float(valence[element] or 1) for element in elements
        }
    if control["calculation"] == "scf":
        found.pop("IONS")
    if control["calculation"] != "vc-relax":
        found.pop("CELL")
    return found


def cutoffs_of(settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> tuple[float, float]:
    """Return the cut-offs of wave functions and density, Ry: those given, else the family's recommendation.

    Raises:
        BadInput: as :func:`~.pseudos.cutoffs`, or a density cut-off without that of the wave functions.
    """
    system = _given(settings.parameters).get("SYSTEM", {})
    wave, density = system.get("ecutwfc"), system.get("ecutrho")
    if wave is not None:
        return float(wave), float(density if density is not None else 4 * wave)
    if density is not None:
        raise BadInput("parameters.SYSTEM.ecutrho is given without ecutwfc: give both")
    return cutoffs(potentials.family, elements, settings.parameters.get(STRINGENCY))


def hubbard_of(settings: StageSettings, elements: Sequence[str]) -> dict[str, list[Any]]:
    """Return shell and U (eV) of the elements that have one."""
    given = settings.hubbard_u
    return {name: [manifold(name, given[name].orbital), given[name].u] for name in elements if name in given}


def check_parameters(settings: StageSettings) -> list[str]:
    """Return what of the parameters, k-points and options of a stage pw.x or the labels do not allow."""
    found: list[str] = []
    for name, content in settings.parameters.items():
        if name == STRINGENCY:
            continue
        if name.upper() not in NAMELISTS:
            known = (*NAMELISTS, STRINGENCY)
            found.append(f"parameters: unknown namelist '{name}'{nearest(name.upper(), known)}")
        elif not isinstance(content, Mapping):
            found.append(f"parameters.{name} must be a mapping of names to values")
        else:
            found += [text for key in content for text in _check_name(name.upper(), str(key).lower(), content[key])]
    if any(offset not in (0, 0.5) for offset in settings.kpoints.offset):
        found.append(f"kpoints.offset {list(settings.kpoints.offset)}: pw.x shifts a mesh by 0 or 0.5 only")
    if settings.dipole_correction:
        found.append(
            "dipole_correction is not available with pw.x, which computes no stress with it (tefield, dipfield): every "
            "label needs one; set it to false"
        )
    return found


def _check_name(namelist: str, name: str, value: Any) -> list[str]:
    where = f"parameters.{namelist}.{name}"
    if name in OWNED:
        return [f"{where}: leave it out, {OWNED[name]}"]
    if name == "calculation" and value not in CALCULATIONS:
        return [f"{where} '{value}': must be one of {', '.join(CALCULATIONS)}"]
    if name == "disk_io" and value == "none":
        return [f"{where}: with 'none' no job could be restarted"]
    known = known_names()
    if known and name not in known:
        return [f"{where}: unknown name{nearest(name, sorted(known)).partition('; known are')[0]}"]
    return []


def check_against_family(settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> list[str]:
    """Return what of a stage a family does not allow: cut-offs, functional, shells of U.

    A family that is missing, or lacks an element, is said elsewhere, once.
    """
    try:
        nodes = pseudos_of(potentials.family)
    except BadInput:
        return []
    present = [element for element in elements if element in nodes]
    found = []
    if present or not elements:
        try:
            cutoffs_of(settings, present or sorted(nodes), potentials)
        except BadInput as error:
            found.append(str(error))
    if settings.functional is not None:
        other = {name: functional_of(nodes[name]) for name in present}
        odd = {name: made for name, made in other.items() if made != settings.functional}
        if odd:
            listed = ", ".join(f"{name} ({made})" for name, made in odd.items())
            found.append(
                f"family '{potentials.family}': made for another functional than {settings.functional}: {listed}; "
                "choose another family as potential_family, or set functional to that of the family"
            )
    for name, (shell, _) in hubbard_of(settings, present).items():
        if not has_shell(nodes[name], shell):
            found.append(
                f"hubbard_u of {name}: its pseudopotential has no wave functions {shell.upper()} for U to act on"
            )
    return found


def _given(parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the namelists as given, names of namelists in upper and of parameters in lower case."""
    return {
        name.upper(): {str(key).lower(): value for key, value in content.items()}
        for name, content in parameters.items()
        if name != STRINGENCY and isinstance(content, Mapping)
    }


@cache
def known_names() -> frozenset[str]:
    """Return the parameters of pw.x that the plugin's newest list has, and newer ones; nothing without the plugin."""
    try:
        from aiida_quantumespresso.calculations import helpers
    except ImportError:
        return frozenset()
    lists = sorted(Path(helpers.__file__).parent.glob("INPUT_PW-*.xml"), key=_version)
    if not lists:
        return frozenset()
    return frozenset(re.findall(r'<(?:var|dimension) name="(\w+)"', lists[-1].read_text().lower())) | NEWER


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.stem)]
