"""``dismai-vasp-standin``: run in a folder with INCAR, POSCAR, KPOINTS and POTCAR, as VASP is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..engine.errors import BadInput
from .inputs import read_job
from .outputs import VERSION, OutputFiles, notice_for
from .relaxation import ionic_steps, load_calculator

#: Environment variables that are read.
CALCULATOR_VARIABLE = "DISMAI_STANDIN_CALCULATOR"
FAILURE_VARIABLE = "DISMAI_STANDIN_FAILURE"
#: Failures that can be asked for: killed after the first ionic step; killed inside the second one; electrons that never
#: converge.
FAILURES = ("", "timeout", "cut", "nelm")
#: Electronic steps that a healthy ionic step claims.
SCF_STEPS = 2


def run(folder: Path, calculator: str = "chgnet", failure: str = "") -> int:
    """Run one job.

    Args:
        folder: holds the inputs; the outputs are written there.
        calculator: ``chgnet``, ``emt``, ``lj`` or ``module:factory``.
        failure: one of :data:`FAILURES`.

    Returns:
        Exit status, 0 if the run came to its end.
    """
    print(f" running on    1 total cores\n vasp.{VERSION} 20Jul23 stand-in\n {notice_for(calculator)}", flush=True)
    try:
        if failure not in FAILURES:
            raise BadInput(f"{FAILURE_VARIABLE}={failure}: known are {', '.join(name for name in FAILURES if name)}")
        job = read_job(folder)
        # Inputs are checked before the calculator is loaded: that takes seconds.
        loaded = load_calculator(calculator)
    except BadInput as error:
        print(f" ERROR: {error}", flush=True)
        return 1
    print(f" POSCAR found :  {len(job.poscar.groups)} types and {len(job.poscar.free):7d} ions", flush=True)
    scf_steps = job.nelm if failure == "nelm" else min(SCF_STEPS, max(job.nelm - 1, 1))
    try:
        opened = OutputFiles(folder, job, calculator, scf_steps)
    except BadInput as error:  # a link in the place of a file
        print(f" ERROR: {error}", flush=True)
        return 1
    with opened as files:
        for step in ionic_steps(job, loaded):
            print(files.step(step).rstrip("\n"), flush=True)
            if failure == "cut":
                files.begin_step()
            if failure in ("timeout", "cut"):
                return 0
            if step.converged:
                print(" reached required accuracy - stopping structural energy minimisation", flush=True)
        files.finish()
    return 0


def main() -> None:
    """Run in the current folder with the settings of the environment."""
    sys.exit(run(Path.cwd(), os.environ.get(CALCULATOR_VARIABLE) or "chgnet", os.environ.get(FAILURE_VARIABLE, "")))


if __name__ == "__main__":
    main()
