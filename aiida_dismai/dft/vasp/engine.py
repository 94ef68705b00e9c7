"""VASP through aiida-vasp's ``vasp.vasp`` WorkChain.

Which energy: VASP's forces and stress are derivatives of the free energy F (``e_fr_energy``), so that is the
label. The energy extrapolated to zero smearing, which the Materials Project quotes, differs from it by half the
entropy term (nothing for a gapped cell with Gaussian smearing of 0.05 eV) and stays in the trajectory node.

What aiida-vasp 5.1 wants to be told, found by running it:

- a stage that ends at NSW on purpose is taken for a failure unless both the parser and the WorkChain are told
  not to check (``must_converge``);
- the default monitors cost seconds per job, and the one for the loop time looks for a file that is not there;
- positions of its trajectory are fractional, stress is in kB, and there may be one frame more than energies;
- kinds must be named by element and sites grouped by it, or a restart mixes up what belongs to which site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from numpy.typing import NDArray

from ...engine.errors import BadInput
from ...engine.methods import Method
from ...standin import MARK
from ..base import DftEngine, DftRun, IonicSteps, PotentialFile, Potentials, PrintedEnergies, jobs_of
from ..printed import printed_number
from ..settings import StageSettings
from .incar import check_tags, functional_of, incar
from .potcars import LICENSED, check_potcars, list_potcars, upload_command
from .trust import refusals
from .vasprun import Step, Vasprun, read_vasprun

#: kB in GPa, and the other sign: VASP's stress is positive under compression, ours negative.
KB_TO_GPA = -0.1
#: Exit codes of a VASP job whose finished ionic steps can be trusted: success; a file missing, killed before its end,
#: electrons not converged (the steps concerned are dropped one by one), ions not converged, and what aiida-vasp says
#: where it cannot read the output. Any other failure spoils the job.
TRUSTED_EXITS = (0, 352, 700, 701, 702, 704, 1002, 1004, 1005)
#: Exit codes by which AiiDA says what the scheduler did: out of memory, out of time, a node that failed.
SCHEDULER_EXITS = range(100, 200)
#: Where the ionic steps are.
VASPRUN = "vasprun.xml"
#: Files of a job that say who wrote them in their first lines.
SIGNED = ("OUTCAR", VASPRUN, "vasp_output")
#: How much of such a file is read, bytes.
HEAD = 4096


def _free_energy(line: str) -> float | None:
    """Return the energy in a line of OSZICAR that ends an ionic step."""
    found = re.search(r"\bF=\s*(\S+)", line)
    return printed_number(found[1]) if found else None


class VaspEngine(DftEngine):
    """Relaxations with VASP."""

    name = "vasp"
    title = "VASP"
    summary = "VASP through aiida-vasp; needs its licence."
    plugins = ("vasp.vasp",)
    workflow = "vasp.vasp"
    protocols = Path(__file__).with_name("protocols.yaml")
    potential_types = ("data.vasp.potcar.",)
    licensed = LICENSED
    printed_energies = PrintedEnergies("OSZICAR", "F=", _free_energy)
    job_namespace = ""

    def check_settings(
        self, settings: StageSettings, elements: Sequence[str], potentials: Potentials | None
    ) -> list[str]:
        """Check the INCAR tags."""
        try:
            check_tags(settings)
        except BadInput as error:
            return [str(error)]
        return []

    def check_potentials(self, elements: Sequence[str], potentials: Potentials) -> list[str]:
        """Check the family of POTCARs and that it has what the mapping names."""
        return check_potcars(elements, potentials)

    def list_potentials(self, potentials: Potentials) -> list[PotentialFile]:
        """Return the POTCARs that the mapping names."""
        return list_potcars(potentials)

    def install_hint(self, family: str, folder: str) -> str:
        """Return aiida-vasp's command that stores a family."""
        return upload_command(family, folder)

    def method(self, settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> Method:
        """Return the method, with the functional of the tags."""
        return replace(super().method(settings, elements, potentials), functional=functional_of(settings))

    def cutoff(self, settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> float | None:
        """Return ENCUT, if it is given."""
        given = incar(settings).get("encut")
        return None if given is None else float(given)

    def inputs(
        self,
        code: orm.AbstractCode,
        structure: orm.StructureData,
        movable: NDArray[np.bool_],
        settings: StageSettings,
        potentials: Potentials,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the inputs of ``vasp.vasp``."""
        kpoints = orm.KpointsData()
        kpoints.set_cell_from_structure(structure)
        kpoints.set_kpoints_mesh(list(settings.kpoints.mesh), list(settings.kpoints.offset))
        present = structure.get_kind_names()
        mapping = potentials.mapping or {}
        inputs: dict[str, Any] = {
            "code": code,
            "structure": structure,
            "kpoints": kpoints,
            "parameters": orm.Dict({"incar": incar(settings)}),
            "potential_family": orm.Str(potentials.family),
            "potential_mapping": orm.Dict({kind: mapping[kind] for kind in present}),
            "settings": orm.Dict(_plugin_settings(settings)),
            "max_iterations": orm.Int(settings.max_iterations),
            "calc": {"metadata": {"options": dict(options)}},
        }
        if not movable.all():
            inputs["dynamics"] = orm.Dict({"positions_dof": [[bool(flag)] * 3 for flag in movable]})
        hubbard = {kind: settings.hubbard_u[kind] for kind in present if kind in settings.hubbard_u}
        if hubbard:
            inputs["ldau_mapping"] = orm.Dict(
                {"mapping": {kind: [value.orbital, value.u] for kind, value in hubbard.items()}, "utype": 2}
            )
        if settings.magnetic_moments is not None:
            inputs["magmom_mapping"] = orm.Dict({"default": 0.0} | settings.magnetic_moments)
        return inputs

    def relaxed_structure(self, node: orm.ProcessNode) -> orm.StructureData | None:
        """Return the structure that came out; VASP's plugin gives none for a single point."""
        return node.outputs.structure if "structure" in node.outputs else None

    def runs(self, node: orm.ProcessNode) -> list[DftRun]:
        """Return the VaspCalculations of a stage in the order in which they ran."""
        return [_run(call) for call in jobs_of(node)]

    def read(self, nodes: Mapping[str, orm.Data], start: NDArray[np.float64]) -> IonicSteps:
        """Read the steps of one VaspCalculation: from vasprun.xml, where it was kept, else from the trajectory."""
        status = nodes["misc"].get_dict().get("run_status") or {} if "misc" in nodes else {}
        retrieved = nodes.get("retrieved")
        if retrieved is not None and VASPRUN in retrieved.base.repository.list_object_names():
            with retrieved.base.repository.open(VASPRUN, "rb") as handle:
                found = read_vasprun(handle)
        else:
            found = Vasprun(steps=_from_trajectory(nodes["trajectory"]))
        if found.begun:
            found.remark = f"vasprun.xml ends inside step {len(found.steps) + 1}, which is not used"
        elif found.cut and not found.remark:
            found.remark = f"vasprun.xml ends after step {len(found.steps)}, before its own end"
        reasons = refusals(found.steps, len(start), found.tags, status.get("nelm"))
        trusted = [step for step, reason in zip(found.steps, reasons, strict=True) if not reason]
        cells = _stack([step.cell for step in trusted], (3, 3))
        fractional = _stack([step.fractional for step in trusted], start.shape)
        return IonicSteps(
            np.array([i for i, reason in enumerate(reasons) if not reason], dtype=np.int64),
            cells,
            _unwrapped(fractional, cells, start),
            np.array([step.energy for step in trusted], dtype=np.float64),
            _stack([step.forces for step in trusted], start.shape),
            _stack([step.stress for step in trusted], (3, 3)) * KB_TO_GPA,
            done=len(reasons),
            left_out=tuple((i, reason) for i, reason in enumerate(reasons) if reason),
            converged=bool(status.get("ionic_converged")) and not any(reasons[-1:]),
            symbols=tuple(found.symbols),
            remark=found.remark,
        )

    def written_by_stand_in(self, retrieved: orm.FolderData) -> bool | None:
        """Look for the mark of ``dismai-vasp-standin`` in the first lines of what the job kept."""
        kept = [name for name in SIGNED if name in retrieved.base.repository.list_object_names()]
        for name in kept:
            with retrieved.base.repository.open(name, "rb") as handle:
                head = handle.read(HEAD)
            if head.strip():
                return MARK.encode() in head
        return None


def _from_trajectory(trajectory: orm.Data) -> list[Step]:
    """Return the steps of aiida-vasp's trajectory, which may have one geometry more than energies."""
    names = ("electronic_steps", "cells", "positions", "forces", "stress", "energy_free")
    arrays = {name: trajectory.get_array(name) for name in names if name in trajectory.get_arraynames()}
    done = min((len(array) for array in arrays.values()), default=0)

    def of(name: str, i: int) -> Any:
        return np.asarray(arrays[name][i], dtype=np.float64) if name in arrays else None

    return [Step(int(of("electronic_steps", i) or 0), *(of(name, i) for name in names[1:])) for i in range(done)]


def _stack(arrays: Sequence[NDArray[np.float64] | None], shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array(arrays, dtype=np.float64).reshape(-1, *shape)


def _plugin_settings(settings: StageSettings) -> dict[str, Any]:
    return {
        "parser_settings": {
            "include_node": ["trajectory", "energies"],
            # The trajectory has them; in `misc` they would go into the database, which refuses a NaN.
            "exclude_quantity": ["forces", "stress"],
            "energy_type": ["energy_free", "energy_extrapolated"],
            # Counts the electronic steps of each ionic step: a step that used them all up is no label.
            "electronic_step_energies": True,
            "check_ionic_convergence": settings.must_converge,
        },
        "CHECK_IONIC_CONVERGENCE": settings.must_converge,
        "no_default_monitors": True,
    }


def _run(call: orm.CalcJobNode) -> DftRun:
    status = call.exit_status
    what = f"VaspCalculation<{call.pk}> exit status {status}"
    # A job that was killed through AiiDA, or whose parser failed, has no exit status, but may have its files.
    if status is not None and status not in TRUSTED_EXITS and status not in SCHEDULER_EXITS:
        return DftRun({}, f"{what}: {call.exit_message or call.process_state}")
    found = {name: call.outputs[name] for name in ("retrieved", "trajectory", "misc") if name in call.outputs}
    kept = "retrieved" in found and VASPRUN in found["retrieved"].base.repository.list_object_names()
    if not kept and not {"trajectory", "misc"} <= set(found):
        return DftRun({}, f"{what} left no vasprun.xml and no trajectory")
    return DftRun(found)


def _unwrapped(
    fractional: NDArray[np.float64], cells: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Cartesian positions in which no atom jumps by a lattice vector from one step to the next."""
    positions = np.empty_like(fractional)
    for step, cell in enumerate(cells):
        if step == 0:
            last = start @ np.linalg.inv(cell)
        shifted = fractional[step] - np.round(fractional[step] - last)
        positions[step] = shifted @ cell
        last = shifted
    return positions
