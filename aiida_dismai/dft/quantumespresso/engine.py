"""pw.x through aiida-quantumespresso's ``quantumespresso.pw.base``, as :mod:`.workchain` extends it.

Which energy: that of the line with the exclamation mark, which includes the smearing term: forces and stress are its
derivatives.

What there is to know about the plugin (5.1, with pw.x 7.2), found by running it:

- its trajectory has zeros for the forces of fixed atoms: labels are read from what pw.x prints (:mod:`.stdout`);
- pw.x before 7.1 ignores the card HUBBARD, and no output of the plugin says whether U was on: asked of the same place;
- a job that reached ``nstep`` gives out the next geometry, for which nothing was computed; restarts and the next
  stage begin there, so that no step is repeated;
- a ``relax`` also wants the energy to change by less than ``etot_conv_thr``, and tightens the electrons by ``upscale``:
  the protocols set these so that forces alone decide;
- ``max_seconds`` ends a job before the scheduler does, which can then be resumed;
- it gives out structures with U on them: the next stage makes its own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from numpy.typing import NDArray

from ...engine.errors import BadInput
from ...engine.methods import Method
from ..base import DftEngine, DftRun, IonicSteps, PotentialFile, Potentials, PrintedEnergies, jobs_of
from ..settings import StageSettings
from .namelists import (
    PROJECTORS,
    check_against_family,
    check_parameters,
    cutoffs_of,
    hubbard_of,
    namelists,
)
from .pseudos import check_family, families_of, functional_of, install_command, list_pseudos, pseudos_of
from .stdout import RYDBERG, PwOutput, energy_in, read_stdout
from .structures import with_hubbard, without_hubbard
from .trust import job_refusal, refusals

#: Exit codes of a job whose complete ionic steps can be trusted: success; output that the plugin could not read, out of
#: time, ions not converged, electrons not converged (that step is dropped), interrupted, troubles of the final SCF of
#: vc-relax (which is dropped) and of BFGS, a cell that shrank too far. Any other failure spoils the job.
TRUSTED_EXITS = (
    *(0, 301, 302, 303, 304, 305, 310, 311, 312, 320, 321, 322, 340, 350),
    *(400, 500, 501, 502, 503, 510, 511, 520, 521, 542),
)
#: Exit codes by which AiiDA says what the scheduler did: out of memory, out of time, a node that failed.
SCHEDULER_EXITS = range(100, 200)
#: Wall time of jobs whose options have none, s: pw.x must know when to stop.
DEFAULT_WALLTIME = 86400
#: Share of the wall time after which pw.x stops by itself.
WALLTIME_SHARE = 0.95
#: The first positions that pw.x prints and those of the input are one within this, Å.
SAME_START = 1e-3


class QuantumEspressoEngine(DftEngine):
    """Relaxations with Quantum ESPRESSO."""

    name = "quantumespresso"
    title = "Quantum ESPRESSO"
    summary = "pw.x of Quantum ESPRESSO through aiida-quantumespresso; free (GPL)."
    plugins = ("quantumespresso.pw",)
    workflow = "dismai.dft.pw"
    protocols = Path(__file__).with_name("protocols.yaml")
    potential_types = ("data.pseudo.upf.",)
    printed_energies = PrintedEnergies("aiida.out", "!    total energy", energy_in)
    job_namespace = "pw"

    def check_settings(
        self, settings: StageSettings, elements: Sequence[str], potentials: Potentials | None
    ) -> list[str]:
        """Check the parameters, and the stage against the family."""
        if importlib.util.find_spec("aiida_quantumespresso") is None:
            return ["aiida-quantumespresso is not installed: pip install 'aiida-dismai[qe]', and restart the daemon"]
        found = check_parameters(settings)
        if potentials is not None and not found:
            found += check_against_family(settings, elements, potentials)
        return found

    def check_potentials(self, elements: Sequence[str], potentials: Potentials) -> list[str]:
        """Check the family and that it has all elements."""
        return check_family(elements, potentials)

    def list_potentials(self, potentials: Potentials) -> list[PotentialFile]:
        """Return the pseudopotentials of the family."""
        return list_pseudos(potentials)

    def install_hint(self, family: str, folder: str) -> str:
        """Return aiida-pseudo's command that installs a family."""
        return install_command(family, folder)

    def shared_families(self, nodes: Sequence[orm.Node]) -> list[orm.Group]:
        """Return the families of the pseudopotentials among the nodes, for their cut-offs: UPF files may be shared."""
        return families_of(node for node in nodes if node.node_type.startswith(self.potential_types))

    def method(self, settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> Method:
        """Return the method, with the functional of the pseudopotentials."""
        nodes = pseudos_of(potentials.family)
        made = sorted({functional_of(nodes[element]) for element in elements if element in nodes})
        return replace(super().method(settings, elements, potentials), functional="+".join(made).replace(" ", "_"))

    def cutoff(self, settings: StageSettings, elements: Sequence[str], potentials: Potentials) -> float | None:
        """Return the cut-off of the wave functions, eV."""
        return cutoffs_of(settings, elements, potentials)[0] * RYDBERG

    def inputs(
        self,
        code: orm.AbstractCode,
        structure: orm.StructureData,
        movable: NDArray[np.bool_],
        settings: StageSettings,
        potentials: Potentials,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the inputs of the WorkChain; U makes a structure of its own, by a calcfunction."""
        kinds = structure.get_kind_names()
        available = pseudos_of(potentials.family)
        for kind in structure.kinds:
            if kind.name != kind.symbol or kind.name not in available:
                raise BadInput(
                    f"kind '{kind.name}' ({kind.symbol}) of the structure: kinds must be named after elements that the "
                    f"family '{potentials.family}' has"
                )
        options = {"max_wallclock_seconds": DEFAULT_WALLTIME, **options}
        hubbard = hubbard_of(settings, kinds)
        given = structure
        if hubbard:
            given = with_hubbard(structure, orm.Dict({"projectors": PROJECTORS, "u": hubbard}))
        elif type(structure) is not orm.StructureData:
            given = without_hubbard(structure)
        kpoints = orm.KpointsData()
        kpoints.set_cell_from_structure(structure)
        kpoints.set_kpoints_mesh(list(settings.kpoints.mesh), list(settings.kpoints.offset))
        plugin_settings: dict[str, Any] = {}
        if settings.kpoints.mesh == (1, 1, 1) and not any(settings.kpoints.offset) and not hubbard:
            plugin_settings["GAMMA_ONLY"] = True  # real wave functions: half the time; not implemented for U
        if not movable.all():
            plugin_settings["FIXED_COORDS"] = [[not flag] * 3 for flag in movable.tolist()]
        inputs: dict[str, Any] = {
            "pw": {
                "code": code,
                "structure": given,
                "pseudos": {kind: available[kind] for kind in kinds},
                "parameters": orm.Dict(
                    namelists(settings, kinds, potentials, WALLTIME_SHARE * options["max_wallclock_seconds"])
                ),
                "settings": orm.Dict(plugin_settings),
                "metadata": {"options": dict(options)},
            },
            "kpoints": kpoints,
            "max_iterations": orm.Int(settings.max_iterations),
        }
        if not settings.must_converge:
            inputs["handler_overrides"] = orm.Dict({"finish_on_last_step": {"enabled": True}})
        return inputs

    def relaxed_structure(self, node: orm.ProcessNode) -> orm.StructureData | None:
        """Return the last geometry, or the next one where the steps ran out; a single point gives none."""
        return node.outputs.output_structure if "output_structure" in node.outputs else None

    def runs(self, node: orm.ProcessNode) -> list[DftRun]:
        """Return the PwCalculations of a stage in the order in which they ran."""
        return [_run(call) for call in jobs_of(node)]

    def read(self, nodes: Mapping[str, orm.Data], start: NDArray[np.float64]) -> IonicSteps:
        """Read the steps of one PwCalculation from what pw.x printed; the first geometry is that of its input."""
        structure = nodes["structure"]
        assert isinstance(structure, orm.StructureData)
        printed = _printed(nodes["retrieved"])
        wanted = _hubbard(structure)
        whole = job_refusal(printed, wanted)
        positions = np.array([site.position for site in structure.sites])
        cell = np.array(structure.cell)
        if not whole and not _same_start(printed, positions, cell):
            whole = "the job began with another geometry than that of its input"
        steps = []
        for step in printed.steps:
            positions = positions if step.positions is None else step.positions
            cell = cell if step.cell is None else step.cell
            steps.append(replace(step, positions=positions, cell=cell))
        steps = [step for step in steps if step.begun]
        remark = ""
        if not printed.ended and printed.version is not None:
            remark = f"the output ends after step {len(steps)}, before its own end"
            if steps and steps[-1].stress is None and not steps[-1].electrons_failed:
                steps.pop()
                remark = f"the output ends inside step {len(steps) + 1}, which is not used"
        reasons = refusals(steps, len(structure.sites), whole)
        kept = [step for step, reason in zip(steps, reasons, strict=True) if not reason]
        m = len(structure.sites)
        single = printed.ended and len(steps) == 1 and printed.single
        return IonicSteps(
            numbers=np.array([i for i, reason in enumerate(reasons) if not reason], dtype=np.int64),
            cells=_stack([step.cell for step in kept], (3, 3)),
            positions=_stack([step.positions for step in kept], (m, 3)),
            energies=np.array([step.energy for step in kept], dtype=np.float64),
            forces=_stack([step.forces for step in kept], (m, 3)),
            stresses=-_stack([step.stress for step in kept], (3, 3)),
            done=len(steps),
            left_out=tuple((i, reason) for i, reason in enumerate(reasons) if reason),
            converged=(printed.converged or single) and not any(reasons[-1:]),
            symbols=tuple(structure.get_kind(site.kind_name).symbol for site in structure.sites),
            remark=whole or remark,
        )


#: Bytes of a line of pw.x at most; what is longer is read as several.
MAX_LINE = 65_536


def _printed(retrieved: orm.Data) -> PwOutput:
    assert isinstance(retrieved, orm.FolderData)
    name = _output_name(retrieved)
    if name not in retrieved.base.repository.list_object_names():
        return PwOutput()
    with retrieved.base.repository.open(name, "rb") as handle:
        return read_stdout(_lines(handle))


def _lines(handle: Any) -> Iterator[str]:
    while line := handle.readline(MAX_LINE):
        yield line.decode("utf-8", errors="replace").rstrip("\n")


def _output_name(retrieved: orm.FolderData) -> str:
    creator = retrieved.creator
    options = creator.get_options() if isinstance(creator, orm.CalcJobNode) else {}
    return str(options.get("output_filename", "aiida.out"))


def _hubbard(structure: orm.StructureData) -> dict[str, float]:
    """Return U in eV by manifold (``Co-3d``) as the structure asks for it."""
    hubbard = getattr(structure, "hubbard", None)
    if hubbard is None:
        return {}
    return {
        f"{structure.sites[item.atom_index].kind_name}-{item.atom_manifold}": float(item.value)
        for item in hubbard.parameters
    }


def _same_start(printed: PwOutput, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> bool:
    """Whether the geometry that pw.x printed first is that of the input, up to lattice vectors."""
    if printed.first is None or printed.first.shape != positions.shape:
        return printed.first is None
    shift = (printed.first - positions) @ np.linalg.inv(cell)
    return bool((np.abs((shift - np.round(shift)) @ cell) < SAME_START).all())


def _stack(arrays: Sequence[NDArray[np.float64] | None], shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array(arrays, dtype=np.float64).reshape(-1, *shape)


def _run(call: orm.CalcJobNode) -> DftRun:
    status = call.exit_status
    what = f"PwCalculation<{call.pk}> exit status {status}"
    # A job that was killed through AiiDA, or whose parser failed, has no exit status, but may have its files.
    if status is not None and status not in TRUSTED_EXITS and status not in SCHEDULER_EXITS:
        return DftRun({}, f"{what}: {call.exit_message or call.process_state}")
    retrieved = call.outputs.retrieved if "retrieved" in call.outputs else None
    if retrieved is None or _output_name(retrieved) not in retrieved.base.repository.list_object_names():
        return DftRun({}, f"{what} left no output of pw.x")
    return DftRun({"retrieved": retrieved, "structure": call.inputs.structure})
