"""`aiida-dismai setup potentials`: which potentials of a DFT code a launch needs, and which of them are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..engine.errors import BadInput
from ..terminal import console, table
from .profiles import load_profile, visible_codes

if TYPE_CHECKING:
    from ..dft import DftEngine, Potentials

engine_option = click.option(
    "--engine", "engine_name", metavar="NAME", help="DFT engine; may be omitted if one only has a code here."
)


def label_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says, as for `launch`, which potentials are needed."""
    for option in (
        click.option(
            "--set", "settings", multiple=True, metavar="PATH=VALUE", help="A single override, as for `launch`."
        ),
        click.option(
            "--overrides",
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="The file of overrides that `launch` is given (label, potential, dataset or pipeline).",
        ),
        click.option("--protocol", metavar="NAME", help="Protocol; without it, the default one, as for `launch`."),
        engine_option,
    ):
        function = option(function)
    return function


@click.command("potentials")
@click.option("--family", help="Name of the family of potentials; without it, the protocol's.")
@click.option("--path", "folder", type=click.Path(), help="Folder of the potentials, for the printed command.")
@label_options
def potentials_command(
    family: str | None,
    folder: str | None,
    engine_name: str | None,
    protocol: str | None,
    overrides: str | None,
    settings: tuple[str, ...],
) -> None:
    """Check that the DFT code's family of potentials has what a launch needs; print what installs it if not."""
    load_profile()
    engine = chosen_engine(engine_name)
    problems = []
    for needed in needed_potentials(engine, protocol, overrides, settings):
        name = family or needed.family
        found = engine.list_potentials(_of_family(needed, name))
        rows = [(item.element, item.name, item.fingerprint or "missing") for item in found]
        console().print(table(f"{engine.title}, family '{name}'", ("element", "potential", "found"), rows))
        said = _missing(engine, _of_family(needed, name))
        if said is not None:
            hint = engine.install_hint(name, folder or "FOLDER")
            problems.append(f"{engine.title}: {said}; install it: {hint}")
    if problems:
        raise BadInput("; ".join(problems))


def chosen_engine(name: str | None) -> DftEngine:
    """Return the engine of that name; without one, the only one that there is, or that has a code in this profile.

    Raises:
        BadInput: no such engine, or several to choose from.
    """
    from ..dft import engines, find

    if name is not None:
        return find(name)
    known = engines()
    candidates = known if len(known) == 1 else _engines_with_codes()
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(engine.name for engine in candidates or known)
    raise BadInput(f"--engine: choose one of {listed}" if listed else "no DFT engine is installed")


def _engines_with_codes() -> list[DftEngine]:
    """Return the engines that have a code in this profile."""
    from ..dft import engines

    plugins = {code.default_calc_job_plugin for code in visible_codes()}
    return [engine for engine in engines() if plugins & set(engine.plugins)]


def potential_rows(
    engine_name: str | None, protocol: str | None, overrides: str | None, settings: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Return rows of `doctor`: for each engine in use, whether its potentials are there.

    Args:
        engine_name: the engine that is looked at; without it, those that have a code here, or the only one there is.
        protocol: as for :func:`needed_potentials`.
        overrides: ″
        settings: ″

    Raises:
        BadInput: as :func:`needed_potentials`.
    """
    from ..dft import engines, find

    if engine_name is not None:
        chosen = [find(engine_name)]
    else:
        chosen = engines() if len(engines()) == 1 else _engines_with_codes()
    parts = _label_overrides(protocol, overrides, settings)
    rows = []
    for engine in chosen:
        what = f"{engine.title} potentials"
        try:
            families = _families(engine, protocol, parts)
        except BadInput as error:  # the engine has no such protocol
            rows.append((what, "missing", str(error)))
            continue
        for needed in families:
            said = _missing(engine, needed)
            if said is not None:
                rows.append((what, "missing", f"{said}: see `aiida-dismai setup potentials --engine {engine.name}`"))
            else:
                there = ", ".join(item.name for item in engine.list_potentials(needed))
                rows.append((what, "ok", f"family '{needed.family}' has {there}"))
    return rows


def _missing(engine: DftEngine, potentials: Potentials) -> str | None:
    """Say which potentials a family does not have, None if it has all."""
    listed = engine.list_potentials(potentials)
    missing = [item.name for item in listed if item.fingerprint is None]
    if missing:
        return f"{', '.join(missing)} missing in family '{potentials.family}'"
    return None if listed else f"there is no family '{potentials.family}', or nothing in it"


def _of_family(potentials: Potentials, name: str) -> Potentials:
    from dataclasses import replace

    return replace(potentials, family=name)


def needed_potentials(
    engine: DftEngine, protocol: str | None = None, overrides: str | None = None, settings: Sequence[str] = ()
) -> list[Potentials]:
    """Return the families and the potential of each element that a launch would need, each once.

    Args:
        engine: of the DFT code.
        protocol: its name; None takes the default of `launch`.
        overrides: a file that was written for one of the workflows that run DFT: which one, its names say.
        settings: single overrides of the same workflow, ``path=value``.

    Raises:
        BadInput: no such protocol, or overrides that fit none of these workflows.
    """
    return _families(engine, protocol, _label_overrides(protocol, overrides, settings))


def _families(engine: DftEngine, protocol: str | None, parts: Sequence[Mapping[str, Any]]) -> list[Potentials]:
    """Return what the relaxations with these overrides need, each once."""
    from ..dft import Potentials
    from ..workchains.label import LabelWorkChain

    found: list[Potentials] = []
    for part in parts:
        inputs = LabelWorkChain.get_protocol_inputs(protocol, part, engine=engine)
        needed = Potentials(str(inputs["potential_family"]), inputs["potential_mapping"])
        if needed not in found:
            found.append(needed)
    return found


def _label_overrides(protocol: str | None, overrides: str | None, settings: Sequence[str]) -> list[dict[str, Any]]:
    """Return the overrides of each relaxation with DFT that a launch would make.

    Raises:
        BadInput: no such protocol, or overrides that fit none of the workflows that run DFT.
    """
    from ..workchains.dataset_interface import InterfaceDatasetWorkChain
    from ..workchains.label import LabelWorkChain
    from ..workchains.potential import PotentialWorkChain
    from ..workchains.protocols import merge, read_overrides
    from ..workchains.protocols.single import single_overrides

    given = read_overrides(overrides) if overrides else {}
    chain = _workflow_of(given, settings)
    given = merge(given, single_overrides(chain, settings))
    inputs = chain.get_protocol_inputs(protocol, given)
    if chain is LabelWorkChain:
        return [given]
    if chain is PotentialWorkChain:
        return [inputs["check"]["label"]]
    if "dataset" in inputs:  # of a pipeline
        inputs = InterfaceDatasetWorkChain.get_protocol_inputs(protocol, inputs["dataset"])
    check = PotentialWorkChain.get_protocol_inputs(protocol, inputs["potential"])["check"]
    return [inputs["label"], check["label"]]


def _workflow_of(overrides: Mapping[str, Any], settings: Sequence[str]) -> Any:
    """Return the WorkChain whose protocol has the names of these overrides, of those that run DFT.

    Raises:
        BadInput: none has all of them; says what is wrong for the one that has most.
    """
    from ..workchains.dataset_interface import InterfaceDatasetWorkChain
    from ..workchains.label import LabelWorkChain
    from ..workchains.pipeline import PipelineWorkChain
    from ..workchains.potential import PotentialWorkChain
    from ..workchains.problems import Problem, text_of
    from ..workchains.protocols import merge
    from ..workchains.protocols.single import single_overrides

    closest: tuple[Problem, ...] = ()
    for chain in (LabelWorkChain, PotentialWorkChain, InterfaceDatasetWorkChain, PipelineWorkChain):
        _, problems = chain.check_overrides(merge(overrides, single_overrides(chain, settings)))
        if not problems:
            return chain
        closest = problems if not closest or len(problems) < len(closest) else closest
    raise BadInput(text_of(closest))
