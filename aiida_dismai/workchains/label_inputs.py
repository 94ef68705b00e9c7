"""The inputs that all WorkChains of labelling share: their ports, their checks, and filling them from a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.engine import ProcessSpec
from aiida.orm import AbstractCode, Bool, Dict, Int, Str, to_aiida_type

from ..data import StructureSetData
from ..engine.errors import BadInput
from ..engine.parameters import validate
from .dft import StageSettings, engine_for

STAGES = ("stage_1", "stage_2")


def define_inputs(spec: ProcessSpec) -> None:
    """Declare the structures, the code with its potentials, and the two stages."""
    spec.input(
        "structures",
        valid_type=StructureSetData,
        help="Structures to relax; stage 1 reads the per-atom property 'region' (0 is the interface region).",
    )
    spec.input_namespace("dft", help="The code that computes the forces; its plugin chooses the engine.")
    spec.input("dft.code", valid_type=AbstractCode, help="VASP, set up for the plugin vasp.vasp.")
    spec.input(
        "dft.potential_family", valid_type=Str, serializer=to_aiida_type, help="Name of the uploaded POTCAR family."
    )
    spec.input(
        "dft.potential_mapping",
        valid_type=Dict,
        serializer=to_aiida_type,
        required=False,
        help="POTCAR of each element, for instance {'Li': 'Li_sv'}.",
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
            help="Scheduler options of the jobs of the stage (resources, max_wallclock_seconds, …).",
        )


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


def validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    """Refuse before the submission what would fail after it; ports that are not there are not looked at."""
    try:
        check_inputs(inputs)
    except BadInput as error:
        return str(error)
    return None


def check_inputs(inputs: Mapping[str, Any]) -> None:
    """Check the inputs of labelling against each other.

    Raises:
        BadInput: no structures, NaN, no region although stage 1 wants it, a code of another plugin, a missing
            POTCAR or family, an unknown parameter of the code.
    """
    structures = inputs.get("structures")
    if isinstance(structures, StructureSetData):
        structures.structures.require("structures to relax")
    pre_relaxed = "pre_relaxed" in inputs and inputs["pre_relaxed"].value
    dft = inputs.get("dft") or {}
    for stage in STAGES:
        namespace = inputs.get(stage) or {}
        if "settings" not in namespace or (stage == "stage_1" and pre_relaxed):
            continue
        settings = read_settings(namespace["settings"], stage)
        if structures is not None:
            _check_moves(structures, settings, stage)
        if structures is not None and {"code", "potential_family"} <= set(dft):
            mapping = dft["potential_mapping"].get_dict() if "potential_mapping" in dft else None
            engine_for(dft["code"]).check(structures.elements, settings, dft["potential_family"].value, mapping)


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
        code: the code for density-functional theory.
        inputs: what :meth:`get_protocol_inputs` gave.
        options: scheduler options laid over those of the protocol, for both stages.
    """
    port["dft"]["code"] = code
    port["dft"]["potential_family"] = Str(inputs["potential_family"])
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
