"""Relax a bulk crystal with DFT: cell, volume and ions. The beginning of the paper's chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext, calcfunction
from aiida.orm import AbstractCode, StructureData

from ..data import StructureSetData
from ..data.structures import set_to_structure_data, structure_data_to_set
from ..dft import engine_for
from ..engine.errors import BadInput
from ..exit_codes import BULK, declare
from .checked import CheckedSpec, CheckedWorkChain
from .checks import elements_of
from .label_inputs import fill_label, label_problems
from .label_protocol import LabelProtocolMixin
from .label_structure import LabelStructureWorkChain
from .problems import Problem, answer
from .reasons import reason_of
from .request import Request


@calcfunction
def crystal_to_set(crystal: StructureData) -> StructureSetData:
    """Return the crystal as a set of one structure; kinds are named after elements from here on."""
    return StructureSetData(structure_data_to_set([crystal]))


@calcfunction
def set_to_crystal(relaxed: StructureSetData) -> StructureData:
    """Return the last structure of a relaxation as a crystal."""
    return set_to_structure_data(relaxed.structures[-1])[0]


def _validate(inputs: Mapping[str, Any], port: Any) -> str | None:
    if port is not None and "crystal" not in port:
        return None  # of a WorkChain that brings the crystal, and asks label_problems itself
    crystal = inputs.get("crystal")
    found: list[Problem] = []
    if crystal is not None:
        try:
            structure_data_to_set([crystal])
        except BadInput as error:
            found.append(Problem("crystal", str(error)))
    return answer([*found, *label_problems(inputs, elements_of(crystal))])


class BulkWorkChain(LabelProtocolMixin, CheckedWorkChain):
    """One stage of DFT in which everything moves; the relaxed crystal is what interfaces are built from."""

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input("crystal", valid_type=StructureData, help="The bulk crystal, of a CIF file for instance.")
        spec.expose_inputs(LabelStructureWorkChain, exclude=("structures", "index", "stage_1"))
        spec.inputs.validator = _validate
        spec.outline(cls.run_relaxation, cls.finish)
        spec.output("crystal", valid_type=StructureData, required=False, help="The relaxed crystal.")
        spec.expose_outputs(LabelStructureWorkChain, namespace_options={"required": False})
        declare(spec, BULK)

    @classmethod
    def get_default_protocol(cls) -> str:
        """Return the protocol of LiCoO2."""
        return "bulk_lco"

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        crystal: StructureData,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol and checked.

        Args:
            code: the DFT code; its plugin chooses the engine.
            crystal: what to relax.
            protocol: ``bulk_lco`` (the default) or ``bulk_lsc``, which differ in the k-points; for another crystal
                override ``stage_2.settings.kpoints``.
            overrides: laid over the protocol (``stage_2``, ``potential_family``, …).
            options: scheduler options of all jobs.

        Raises:
            BadInput: what :func:`~aiida_dismai.workchains.label_inputs.label_problems` finds.
        """
        request = Request(cls, overrides, options)
        builder = request.draft
        builder.crystal = crystal
        fill_bulk(builder, code, protocol, request.overrides, request.options)
        return request.finish(whole=True)

    def run_relaxation(self) -> ToContext:
        """Relax the cell and all atoms."""
        inputs = AttributeDict(self.exposed_inputs(LabelStructureWorkChain))
        inputs.structures = crystal_to_set(self.inputs.crystal)
        inputs.metadata = {"call_link_label": "relaxation"}  # the label is that of this process alone
        return ToContext(relaxation=self.submit(LabelStructureWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Give out the crystal; of a relaxation that failed, what it computed."""
        node = self.ctx.relaxation
        self.out_many(self.exposed_outputs(node, LabelStructureWorkChain))
        if not node.is_finished_ok or "relaxed" not in node.outputs:
            return self.exit_codes.ERROR_CRYSTAL.format(reason=reason_of(node))
        self.out("crystal", set_to_crystal(node.outputs.relaxed))
        return None


def fill_bulk(
    port: Any,
    code: AbstractCode,
    protocol: str | None,
    overrides: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Fill a builder, or the namespace of one, with all but the crystal.

    Raises:
        BadInput: no such protocol, or a code that no engine drives.
    """
    inputs = BulkWorkChain.get_protocol_inputs(
        protocol or BulkWorkChain.get_default_protocol(), overrides, engine=engine_for(code)
    )
    fill_label(port, code, {**inputs, "pre_relaxed": True}, options)
