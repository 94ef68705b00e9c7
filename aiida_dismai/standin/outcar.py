"""Writing OUTCAR: the parts that aiida-vasp, pymatgen and ASE read, in VASP's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..engine.files import open_text
from ..engine.units import EV_PER_A3_IN_KBAR
from .inputs import Job
from .relaxation import IonicStep

_HEADER = """ vasp.{version} 20Jul23 {notice}
 running on    1 total cores

 INCAR:
{potcars}
{headers}
   k-points           NKPTS = {nkpts}   k-points in BZ     NKDIM = {nkpts}   number of bands    NBANDS= {nbands:6d}
   number of dos      NEDOS =    301   number of ions     NIONS = {nions:6d}
   total plane-waves  NPLWV = {zero:6d}
   ions per type =            {counts}
   ISPIN  = {ispin:6d}    spin polarized calculation?
   ENCUT  = {encut:7.1f} eV
   NELM   = {nelm:6d};   NELMIN=  2; NELMDL= -5     # of ELM steps
   EDIFF  = {ediff:.1E}   stopping-criterion for ELM
   EDIFFG = {ediffg:.1E}   stopping-criterion for IOM
   NSW    = {nsw:6d}    number of steps for IOM
   IBRION = {ibrion:6d}    ionic relax: 0-MD 1-quasi-New 2-CG
   ISIF   = {isif:6d}    stress and relaxation
   NELECT = {nelect:12.4f}    total number of electrons

 k-points in reciprocal lattice and weights: {notice}
{kpoints}

"""

_FOOTER = """

 General timing and accounting informations for this job:
 ========================================================

                  Total CPU time used (sec): {seconds:12.3f}
                            User time (sec): {seconds:12.3f}
                          System time (sec): {zero:12.3f}
                         Elapsed time (sec): {seconds:12.3f}

                   Maximum memory used (kb): {zero:12.0f}.
                   Average memory used (kb):           0.

                          Minor page faults: {faults:12d}
                          Major page faults: {faults:12d}
                 Voluntary context switches: {faults:12d}
"""


class OutcarWriter:
    """An open OUTCAR.

    Args:
        path: where to write.
        job: the inputs.
        version: VASP's version that the layout is of.
        notice: says that this is not DFT.
        scf_steps: electronic steps that each ionic step claims.
    """

    def __init__(self, path: Path, job: Job, version: str, notice: str, scf_steps: int) -> None:
        self._file = open_text(path)
        self._scf_steps = scf_steps
        self._nelm = job.nelm
        self._file.write(_header(job, version, notice))

    def step(self, number: int, step: IonicStep) -> None:
        """Write one ionic step; ``number`` counts from 1."""
        out = self._file.write
        for scf in range(1, self._scf_steps + 1):
            rule = "-" * 41
            out(f"\n{rule} Iteration {number:6d}({scf:4d})  {rule[2:]}\n\n")
        if self._scf_steps < self._nelm:
            out("-" * 24 + " aborting loop because EDIFF is reached " + "-" * 40 + "\n")
        kbar = -step.stress * EV_PER_A3_IN_KBAR  # the opposite sign of ASE's
        out("  FORCE on cell =-STRESS in cart. coord.  units (eV):\n")
        out("  Direction    XX          YY          ZZ          XY          YZ          ZX\n")
        out("  in kB     " + _row([kbar[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0))], "12.5f"))
        out(f"  external pressure = {np.trace(kbar) / 3:11.2f} kB  Pullay stress =        0.00 kB\n")
        volume = abs(np.linalg.det(step.cell))
        out(f"\n VOLUME and BASIS-vectors are now :\n  volume of cell : {volume:12.4f}\n")
        out("      direct lattice vectors                 reciprocal lattice vectors\n")
        for vector, reciprocal in zip(step.cell, np.linalg.inv(step.cell).T, strict=True):
            out("  " + _row([*vector, *reciprocal], "13.9f"))
        rule = " " + "-" * 83 + "\n"
        out("\n POSITION                                       TOTAL-FORCE (eV/Angst)\n" + rule)
        for position, force in zip(step.fractional @ step.cell, step.forces, strict=True):
            out(" " + _row(position, "13.5f").rstrip() + "    " + _row(force, "14.6f"))
        out(rule + "    total drift:                     " + _row(step.forces.sum(axis=0), "14.6f") + "\n")
        out("  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n  " + "-" * 51 + "\n")
        energy = step.energy
        out(f"  free  energy   TOTEN  = {energy:18.8f} eV\n\n")
        out(f"  energy  without entropy= {energy:17.8f}  energy(sigma->0) = {energy:16.8f}\n")
        if step.converged:
            out("\n reached required accuracy - stopping structural energy minimisation\n")
        self._file.flush()

    def finish(self, seconds: float) -> None:
        """Write the footer by which readers know that the run came to its end."""
        self._file.write(_FOOTER.format(seconds=seconds, zero=0.0, faults=0))
        self.close()

    def close(self) -> None:
        """Leave the file as it is."""
        self._file.close()


def _row(values: object, width: str) -> str:
    return "".join(format(value, width) for value in np.asarray(values).tolist()) + "\n"


def electrons(job: Job) -> float:
    """Return the number of valence electrons."""
    counts = [count for _, count in job.poscar.groups]
    return job.incar.real("NELECT", sum(p.zval * n for p, n in zip(job.potentials, counts, strict=True)))


def bands(job: Job) -> int:
    """Return the number of bands as VASP would choose it."""
    return job.incar.integer("NBANDS", int(electrons(job) // 2 + max(len(job.poscar.free) // 2, 3)))


def cutoff(job: Job) -> float:
    """Return the plane-wave cut-off, eV."""
    return job.incar.real("ENCUT", max(potential.enmax for potential in job.potentials))


def _header(job: Job, version: str, notice: str) -> str:
    headers = "\n".join(
        f" POTCAR:    {p.title}\n   TITEL  = {p.title}\n"
        f"   POMASS = {p.mass:8.3f}; ZVAL   = {p.zval:8.3f}    mass and valenz"
        for p in job.potentials
    )
    rows = np.column_stack([job.kpoints.points, job.kpoints.weights])
    return _HEADER.format(
        version=version,
        notice=notice,
        potcars="\n".join(f" POTCAR:    {p.title}" for p in job.potentials),
        headers=headers,
        nkpts=f"{len(rows):6d}",
        nbands=bands(job),
        nions=len(job.poscar.free),
        zero=0,
        counts="".join(f"{count:4d}" for _, count in job.poscar.groups),
        ispin=job.incar.integer("ISPIN", 1),
        encut=cutoff(job),
        nelm=job.nelm,
        ediff=job.incar.real("EDIFF", 1e-4),
        ediffg=job.ediffg,
        nsw=job.nsw,
        ibrion=job.ibrion,
        isif=job.isif,
        nelect=electrons(job),
        kpoints="".join(_row(row, "14.8f") for row in rows).rstrip("\n"),
    )
