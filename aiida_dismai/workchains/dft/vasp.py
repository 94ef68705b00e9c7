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

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from aiida import orm
from aiida.common.exceptions import NotExistent
from numpy.typing import NDArray

from ...engine.errors import BadInput, nearest
from .base import DftEngine, DftRun, IonicSteps
from .settings import StageSettings

#: kB in GPa, and the other sign: VASP's stress is positive under compression, ours negative.
KB_TO_GPA = -0.1
#: Exit codes of a VASP job whose finished ionic steps can be trusted: success, killed before its end, electrons not
#: converged (the steps concerned are dropped one by one), ions not converged. Any other failure spoils the job.
TRUSTED_EXITS = (0, 700, 701, 702)
#: VASP's own default.
DEFAULT_NELM = 60


class VaspEngine(DftEngine):
    """Relaxations with VASP."""

    name: ClassVar[str] = "vasp"
    plugin: ClassVar[str] = "vasp.vasp"
    workflow: ClassVar[str] = "vasp.vasp"

    def check(
        self, elements: Sequence[str], settings: StageSettings, family: str, mapping: Mapping[str, str] | None
    ) -> None:
        """Check the INCAR tags, the family of POTCARs and that it has what the mapping names."""
        _check_tags(settings)
        _check_potcars(elements, family, mapping or {})

    def inputs(
        self,
        code: orm.AbstractCode,
        structure: orm.StructureData,
        movable: NDArray[np.bool_],
        settings: StageSettings,
        family: str,
        mapping: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the inputs of ``vasp.vasp``."""
        kpoints = orm.KpointsData()
        kpoints.set_cell_from_structure(structure)
        kpoints.set_kpoints_mesh(list(settings.kpoints.mesh), list(settings.kpoints.offset))
        present = structure.get_kind_names()
        inputs: dict[str, Any] = {
            "code": code,
            "structure": structure,
            "kpoints": kpoints,
            "parameters": orm.Dict({"incar": _incar(settings)}),
            "potential_family": orm.Str(family),
            "potential_mapping": orm.Dict({kind: (mapping or {})[kind] for kind in present}),
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
        calls = [call for call in node.called if isinstance(call, orm.CalcJobNode)]
        return [_run(call) for call in sorted(calls, key=lambda call: (call.ctime, call.pk))]

    def read(self, nodes: Mapping[str, orm.Data], start: NDArray[np.float64]) -> IonicSteps:
        """Read the trajectory of one VaspCalculation."""
        trajectory, misc = nodes["trajectory"], nodes["misc"]
        names = ("cells", "positions", "forces", "stress", "energy_free", "electronic_steps")
        arrays = [trajectory.get_array(name) for name in names]
        done = min(len(array) for array in arrays)
        cells, fractional, forces, stress, energies, scf = (array[:done] for array in arrays)
        status = misc.get_dict()["run_status"]
        complete = np.isfinite(energies) & np.isfinite(forces).all(axis=(1, 2)) & np.isfinite(stress).all(axis=(1, 2))
        trusted = complete & (scf < (status.get("nelm") or DEFAULT_NELM))
        positions = _unwrapped(fractional, cells, start)
        return IonicSteps(
            np.flatnonzero(trusted),
            cells[trusted],
            positions[trusted],
            energies[trusted],
            forces[trusted],
            stress[trusted] * KB_TO_GPA,
            done=done,
            dropped=int(done - trusted.sum()),
            converged=bool(status.get("ionic_converged")) and bool(trusted[-1:].all()),
        )


def _incar(settings: StageSettings) -> dict[str, Any]:
    tags = {name.lower(): value for name, value in settings.parameters.items()}
    if settings.dipole_correction:
        tags |= {"ldipol": True, "idipol": 3}
    return tags


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
    if call.exit_status not in TRUSTED_EXITS:
        what = call.exit_message or f"state {call.process_state}"
        return DftRun({}, f"VaspCalculation<{call.pk}> exit status {call.exit_status}: {what}")
    found = {name: call.outputs[name] for name in ("trajectory", "misc") if name in call.outputs}
    if len(found) < 2:
        return DftRun({}, f"VaspCalculation<{call.pk}> exit status {call.exit_status} left no trajectory")
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


def _check_tags(settings: StageSettings) -> None:
    """Refuse unknown INCAR tags, and tags that other settings write."""
    from aiida_vasp.assistant.parameters import ParametersMassage

    owned = {"magmom": "magnetic_moments", "ldauu": "hubbard_u", "ldaul": "hubbard_u", "ldauj": "hubbard_u"}
    for name in settings.parameters:
        if name.lower() == "pstress":
            raise BadInput(
                "INCAR tag 'PSTRESS': VASP then writes enthalpies for energies, which are no labels; leave it out"
            )
        if name.lower() in owned:
            raise BadInput(f"INCAR tag '{name}' depends on the order of the atoms: give {owned[name.lower()]} instead")
    try:
        ParametersMassage({"incar": _incar(settings)})
    except Exception as error:  # aiida-vasp raises several types, some of them plain Exception
        raise BadInput(f"INCAR tags: {error}") from error


def _check_potcars(elements: Sequence[str], family: str, mapping: Mapping[str, str]) -> None:
    from aiida_vasp.data.potcar import PotcarData

    missing = [element for element in elements if element not in mapping]
    if missing:
        raise BadInput(
            f"no POTCAR is named for {', '.join(missing)}: add to potential_mapping, for instance "
            f"{{'{missing[0]}': '{missing[0]}'}}"
        )
    upload = f"aiida-vasp potcar uploadfamily --path FOLDER --name {family} --description TEXT"
    if not family or PotcarData.get_potcar_group(family) is None:
        known = nearest(family, [group.label for group in PotcarData.get_potcar_groups()])
        raise BadInput(f"POTCAR family '{family}' is not in this profile{known}; upload it with: {upload}")
    for element in elements:
        try:
            PotcarData.get_potcars_dict([element], family, dict(mapping))
        except NotExistent as error:
            raise BadInput(
                f"POTCAR '{mapping[element]}' of {element} is not in the family '{family}': name another in "
                f"potential_mapping, or upload the family anew with it: {upload}"
            ) from error
