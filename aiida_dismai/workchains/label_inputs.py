"""The inputs that all WorkChains of labelling share: their ports, their checks, and filling them from a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from aiida.engine import ProcessSpec
from aiida.orm import AbstractCode, Bool, Dict, Int, Str, to_aiida_type

from ..data import StructureSetData
from ..dft import Potentials, StageSettings, engine_for
from ..engine.errors import BadInput
from ..engine.methods import mixed
from ..engine.parameters import validate
from .checks import below, elements_of, option_problems, validate_options
from .problems import Problem, answer
from .protocols.names import Like, Model, Names, Options, Part, Table

STAGES = ("stage_1", "stage_2")
#: What overrides may have below the protocol ``label.yaml``.
OVERRIDE_NAMES: dict[str, Part] = {
    "potential_family": Like("a name"),
    "potential_mapping": Table(null=True),
    **{
        stage: Names({"settings": Model(lambda: StageSettings), "options": Options()}, null=stage == "stage_1")
        for stage in STAGES
    },
}


def define_inputs(spec: ProcessSpec) -> None:
    """Declare the structures, the code with its potentials, and the two stages."""
    spec.input(
        "structures",
        valid_type=StructureSetData,
        help="Structures to relax; stage 1 reads the per-atom property 'region' (0 is the interface region).",
    )
    spec.input_namespace("dft", help="The DFT code, whose plugin chooses the engine, and its potentials.")
    spec.input(
        "dft.code",
        valid_type=AbstractCode,
        help="The code for density-functional theory, set up for a plugin that a DFT engine drives.",
    )
    spec.input(
        "dft.potential_family",
        valid_type=Str,
        serializer=to_aiida_type,
        help="Name of an installed family of potentials of that code.",
    )
    spec.input(
        "dft.potential_mapping",
        valid_type=Dict,
        serializer=to_aiida_type,
        required=False,
        help="Name of the potential of each element, if the family has several: {'Li': 'Li_sv'}.",
    )
    for stage, text in (
        ("stage_1", "First stage, in which the atoms of some regions move; without it only stage 2 is run."),
        ("stage_2", "Second stage."),
    ):
        spec.input_namespace(stage, required=stage == "stage_2", populate_defaults=False, help=text)
        spec.input(
            f"{stage}.settings",
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=_validate_settings,
            help="Settings of the stage: parameters, kpoints, moves, must_converge, … (StageSettings).",
        )
        spec.input(
            f"{stage}.options",
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=validate_options,
            help="Scheduler options of the jobs of the stage (resources, max_wallclock_seconds, …).",
        )


def read_potentials(dft: Mapping[str, Any]) -> Potentials:
    """Return the potentials that the namespace ``dft`` names."""
    mapping = dft["potential_mapping"].get_dict() if "potential_mapping" in dft else None
    return Potentials(dft["potential_family"].value, mapping)


def read_settings(node: Dict, where: str) -> StageSettings:
    """Return the settings of a stage.

    Raises:
        BadInput: an unknown name or a value out of bounds.
    """
    return validate(StageSettings, node.get_dict(), where)


def _validate_settings(node: Dict | None, _: Any) -> str | None:
    if node is not None:
        try:
            read_settings(node, "stage settings")
        except BadInput as error:
            return str(error)
    return None


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse before the submission what would fail after it.

    Where another WorkChain brings the structures, it asks :func:`label_problems` with the elements that it knows.
    """
    if port is not None and "structures" not in port:
        return None
    return answer(label_problems(inputs, elements_of(inputs.get("structures"))))


def label_problems(inputs: Mapping[str, Any], elements: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the inputs of labelling: structures, regions, code, potentials, settings, options.

    Args:
        inputs: those that are there; structures may be missing.
        elements: all that will occur.
    """
    structures = inputs.get("structures")
    dft = inputs.get("dft") or {}
    found: list[Problem] = []
    if isinstance(structures, StructureSetData):
        found += _said("structures", lambda: structures.structures.require("structures to relax"))
    engine, potentials = None, None
    if "code" in dft:
        try:
            engine = engine_for(dft["code"])
        except BadInput as error:
            found.append(Problem("dft.code", str(error)))
    if engine is not None and "potential_family" in dft:
        potentials = read_potentials(dft)
        found += [Problem("dft", text) for text in engine.check_potentials(elements, potentials)]
    pre_relaxed = "pre_relaxed" in inputs and inputs["pre_relaxed"].value
    for stage in STAGES:
        namespace = inputs.get(stage) or {}
        if "settings" not in namespace or (stage == "stage_1" and pre_relaxed):
            continue
        try:
            settings = read_settings(namespace["settings"], stage)
        except BadInput:
            continue  # said by the port
        if engine is not None:
            said = engine.check_settings(settings, elements, potentials)
            found += [Problem(f"{stage}.settings", text) for text in said]
        if isinstance(structures, StructureSetData):
            found += _said("", partial(_check_moves, structures, settings, stage))
        if "options" in namespace:
            options = namespace["options"].get_dict()
            if not option_problems(options):  # else said by the port
                found += below(f"{stage}.options", option_problems(options, dft.get("code"), gpus=False))
    return found


def methods_of_inputs(inputs: Mapping[str, Any], elements: Sequence[str]) -> list[str]:
    """Return the methods of the labels that labelling with these inputs would make; none if that is not known.

    Args:
        inputs: of labelling, without structures.
        elements: all that will occur.
    """
    dft, stages = inputs.get("dft") or {}, [inputs.get(stage) or {} for stage in STAGES]
    if "code" not in dft or "potential_family" not in dft:
        return []
    found = []
    for stage in (stage for stage in stages if "settings" in stage):
        try:
            settings = validate(StageSettings, stage["settings"].get_dict(), "stage settings")
            found.append(str(engine_for(dft["code"]).method(settings, elements, read_potentials(dft))))
        except BadInput:
            continue  # said elsewhere
    return found


def mixing_problems(methods: Sequence[str], parameters: Dict | None, path: str) -> list[Problem]:
    """Return whether labels of several methods would be put together without being asked for.

    Args:
        methods: of all the labels.
        parameters: of the training, whose ``mixed_labels`` allows it.
        path: of what brings the second method.
    """
    found = mixed(methods)
    if not found or (parameters is not None and parameters.get_dict().get("mixed_labels")):
        return []
    return [Problem(path, f"{found}; use one for all, or set mixed_labels of the training to true")]


def _said(path: str, look: Callable[[], Any]) -> list[Problem]:
    try:
        look()
    except BadInput as error:
        return [Problem(path, str(error))]
    return []


def _check_moves(structures: StructureSetData, settings: StageSettings, stage: str) -> None:
    if settings.moves is None:
        return
    if "region" not in structures.property_names:
        raise BadInput(
            f"{stage} moves the atoms of region {settings.moves}, but the structures have no property 'region': build "
            "them with interfaces.build, run stage 2 alone (pre_relaxed), or set the stage's 'moves' to null"
        )
    whole = structures.structures
    moving = np.isin(whole.values("region"), settings.moves)
    still = sorted(set(range(len(whole))) - set(whole.atom_structure[moving].tolist()))
    if still:
        raise BadInput(f"{stage}: structure {still[0]} has no atom in region {settings.moves}, nothing would move")


def fill_label(
    port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> None:
    """Fill a builder, or the namespace of one, from a protocol of ``label.yaml``.

    Args:
        port: where the inputs of labelling go; ``structures`` are left to the caller.
        code: the DFT code.
        inputs: what :meth:`get_protocol_inputs` gave for its engine.
        options: scheduler options laid over those of the protocol, for both stages.
    """
    port["dft"]["code"] = code
    if inputs["potential_family"] is not None:
        port["dft"]["potential_family"] = Str(inputs["potential_family"])
    if inputs["potential_mapping"] is not None:
        port["dft"]["potential_mapping"] = Dict(dict(inputs["potential_mapping"]))
    for stage in STAGES:
        if inputs[stage] is None or (stage == "stage_1" and inputs["pre_relaxed"]):
            continue
        port[stage]["settings"] = Dict(dict(inputs[stage]["settings"]))
        port[stage]["options"] = Dict({**inputs[stage]["options"], **(options or {})})


def fill_label_many(
    port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> None:
    """Fill the inputs of :class:`~aiida_dismai.workchains.label.LabelWorkChain`, as :func:`fill_label` does."""
    fill_label(port, code, inputs, options)
    port["max_concurrent"] = Int(inputs["max_concurrent"])
    port["max_failed_fraction"] = to_aiida_type(float(inputs["max_failed_fraction"]))
    port["pre_relaxed"] = Bool(inputs["pre_relaxed"])
