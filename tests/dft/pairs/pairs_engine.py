"""A DFT engine that somebody else might write: another code, plugin, WorkChain, kind of potentials and units."""

import json
import re
from pathlib import Path

import numpy as np
from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.engine import CalcJob, WorkChain, calcfunction
from aiida.parsers import Parser
from ase.units import Bohr, Hartree

from aiida_dismai.dft import DftEngine, DftRun, IonicSteps, LicensedFiles, PotentialFile

PAIR = {"sigma": 2.3, "epsilon": 0.4, "rc": 6.0}
FAMILIES = {"pairs-1.0": {"Cu": PAIR, "Ni": PAIR}}


class PairsCalculation(CalcJob):
    """Runs run_pairs.py."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("structure", valid_type=orm.StructureData)
        spec.input("parameters", valid_type=orm.Dict)
        spec.input("metadata.options.parser_name", default="pairs.parser")
        spec.exit_code(300, "ERROR_NO_STEPS", message="no steps.json")
        spec.exit_code(310, "ERROR_CRASHED", message="run_pairs.py crashed")

    def prepare_for_submission(self, folder):
        atoms = self.inputs.structure.get_ase()
        job = {"symbols": atoms.get_chemical_symbols(), "positions": atoms.positions.tolist()}
        job["cell"] = np.asarray(atoms.cell).tolist()
        with folder.open("job.json", "w") as handle:
            json.dump(job | self.inputs.parameters.get_dict(), handle)
        code = CodeInfo()
        code.code_uuid, code.stderr_name = self.inputs.code.uuid, "stderr"
        info = CalcInfo()
        info.codes_info, info.retrieve_list = [code], ["steps.json", "stderr"]
        return info


class PairsParser(Parser):
    """Looks whether there are steps; the engine reads them."""

    def parse(self, **_):
        if "steps.json" not in self.retrieved.base.repository.list_object_names():
            return self.exit_codes.ERROR_NO_STEPS
        if self.retrieved.base.repository.get_object_content("stderr"):
            return self.exit_codes.ERROR_CRASHED
        return None


@calcfunction
def last_structure(structure, retrieved):
    """Return the last geometry of a job."""
    atoms = structure.get_ase()
    atoms.positions = np.array(_steps(retrieved)[-1]["positions"]) * Bohr
    return orm.StructureData(ase=atoms)


class PairsWorkChain(WorkChain):
    """One job."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.expose_inputs(PairsCalculation, namespace="job")
        spec.outline(cls.run_job, cls.finish)
        spec.output("relaxed", valid_type=orm.StructureData)
        spec.exit_code(400, "ERROR_JOB", message="the job failed")

    def run_job(self):
        self.to_context(job=self.submit(PairsCalculation, **self.exposed_inputs(PairsCalculation, "job")))

    def finish(self):
        if not self.ctx.job.is_finished_ok:
            return self.exit_codes.ERROR_JOB
        self.out("relaxed", last_structure(self.inputs.job.structure, self.ctx.job.outputs.retrieved))
        return None


class PairsEngine(DftEngine):
    """All that aiida-dismai needs."""

    name = "pairs"
    title = "Pairs"
    summary = "Lennard-Jones in place of everything."
    plugins = ("pairs.run", "pairs.other")
    workflow = "pairs.base"
    protocols = Path(__file__).with_name("protocols.yaml")
    potential_types = ("data.core.dict.",)
    licensed = LicensedFiles(
        noun="pair potentials",
        node_types=(),
        file_name=re.compile(r"\.pair$"),
        content=re.compile(rb"SECRET PAIRS"),
        advice="do not retrieve them",
    )

    def check_settings(self, settings, elements, potentials):
        unknown = sorted(set(settings.parameters) - {"steps", "step_size", "crash"})
        return [f"unknown parameter '{name}' of Pairs" for name in unknown]

    def check_potentials(self, elements, potentials):
        if potentials.family not in FAMILIES:
            return [f"no family '{potentials.family}': pairs install"]
        missing = [element for element in elements if element not in FAMILIES[potentials.family]]
        return [f"family '{potentials.family}' has no {', '.join(missing)}"] if missing else []

    def list_potentials(self, potentials):
        return [PotentialFile(element, element, "MD5 0") for element in FAMILIES.get(potentials.family, {})]

    def install_hint(self, family, folder):
        return f"pairs install {folder} {family}"

    def inputs(self, code, structure, movable, settings, potentials, options):
        parameters = {"crash": False, **settings.parameters}
        parameters["potential"] = PAIR
        parameters["fixed"] = [not flag for flag in movable]
        job = {"code": code, "structure": structure, "parameters": orm.Dict(parameters)}
        return {"job": {**job, "metadata": {"options": dict(options)}}}

    def relaxed_structure(self, node):
        return node.outputs.relaxed

    def runs(self, node):
        # an input may be needed to read the steps, too
        return [
            DftRun({"retrieved": job.outputs.retrieved, "the_parameters": job.inputs.parameters})
            for job in node.called
            if isinstance(job, orm.CalcJobNode)
        ]

    def read(self, nodes, start):
        steps = _steps(nodes["retrieved"])
        n = nodes["the_parameters"]["steps"]
        return IonicSteps(
            numbers=np.arange(n),
            cells=np.array([step["cell"] for step in steps]) * Bohr,
            positions=np.array([step["positions"] for step in steps]) * Bohr,
            energies=np.array([step["energy"] for step in steps]) * Hartree,
            forces=np.array([step["forces"] for step in steps]) * Hartree / Bohr,
            stresses=-np.array([step["pressure_tensor"] for step in steps]),
            done=n,
            left_out=(),
            converged=False,
        )

    def written_by_stand_in(self, retrieved):
        return True


def _steps(retrieved):
    return json.loads(retrieved.base.repository.get_object_content("steps.json"))


ENGINE = PairsEngine()
