"""All output files of a run, and the small ones among them: CONTCAR, XDATCAR, OSZICAR, IBZKPT."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from ..engine.files import open_text, write_text
from . import MARK
from .inputs import Job
from .outcar import OutcarWriter
from .relaxation import IonicStep
from .vasprun import VasprunWriter

#: Version whose file layout is followed.
VERSION = "6.4.2"


def notice_for(calculator: str) -> str:
    """Return the sentence that stands in every file written."""
    return f"NOT DFT: {MARK}, energies of the ASE calculator {calculator}"


class OutputFiles:
    """The output files of one run in a folder; a context manager that closes them.

    Args:
        folder: the working directory.
        job: the inputs.
        calculator: name of the calculator, written into every file.
        scf_steps: electronic steps that each ionic step claims.

    Without a call of :meth:`finish` the files end as those of a job that was killed.
    """

    def __init__(self, folder: Path, job: Job, calculator: str, scf_steps: int) -> None:
        self._folder, self._job, self._scf_steps = folder, job, scf_steps
        self._notice = notice_for(calculator)
        self._started = time.monotonic()
        self._outcar = OutcarWriter(folder / "OUTCAR", job, VERSION, self._notice, scf_steps)
        self._vasprun = VasprunWriter(folder / "vasprun.xml", job, VERSION, self._notice, scf_steps)
        self._oszicar = open_text(folder / "OSZICAR")
        self._xdatcar = open_text(folder / "XDATCAR")
        self._number = 0
        self._last_energy = 0.0
        write_text(folder / "IBZKPT", _ibzkpt(job, self._notice))

    def __enter__(self) -> OutputFiles:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close what is open."""
        for handle in (self._outcar, self._vasprun, self._oszicar, self._xdatcar):
            handle.close()

    def step(self, step: IonicStep) -> str:
        """Write one ionic step to all files.

        Returns:
            The line of OSZICAR, which VASP also prints.
        """
        self._number += 1
        self._outcar.step(self._number, step)
        self._vasprun.step(step)
        # Readers take any line of its own for an ionic step, so the notice stands at the end of the head.
        columns = "       N       E                     dE             d eps       ncg     rms          rms(c)"
        self._oszicar.write(f"{columns}    {self._notice}\n")
        for scf in range(1, self._scf_steps + 1):
            self._oszicar.write(f"DAV: {scf:3d}    {step.energy:20.12E}   {0:12.5E}   {0:12.5E} {1:5d}   {0:9.3E}\n")
        change = step.energy - self._last_energy
        line = f"{self._number:4d} F= {step.energy:.8E} E0= {step.energy:.8E}  d E ={change:.6E}\n"
        self._last_energy = step.energy
        self._oszicar.write(line)
        self._oszicar.flush()
        self._xdatcar.write(self._xdatcar_frame(step))
        self._xdatcar.flush()
        write_text(self._folder / "CONTCAR", self._contcar(step))
        return line

    def begin_step(self) -> None:
        """Begin another step in vasprun.xml, where a job that is killed leaves off."""
        self._vasprun.begin_step()

    def finish(self) -> None:
        """Close vasprun.xml and write OUTCAR's footer: the run came to its end."""
        self._vasprun.finish()
        self._outcar.finish(time.monotonic() - self._started)

    def _head(self, step: IonicStep) -> str:
        groups = self._job.poscar.groups
        lattice = "".join(" " + "".join(f"{x:22.16f}" for x in vector) + "\n" for vector in step.cell)
        symbols = "".join(f"{symbol:>5s}" for symbol, _ in groups)
        counts = "".join(f"{count:6d}" for _, count in groups)
        return f"{self._job.poscar.comment} ({self._notice})\n   1.0\n{lattice}{symbols}\n{counts}\n"

    def _contcar(self, step: IonicStep) -> str:
        poscar = self._job.poscar
        text = self._head(step) + ("Selective dynamics\n" if poscar.selective else "") + "Direct\n"
        for position, free in zip(step.fractional, poscar.free, strict=True):
            flags = "".join("   T" if flag else "   F" for flag in free) if poscar.selective else ""
            text += "".join(f"{x:20.16f}" for x in position) + flags + "\n"
        return text

    def _xdatcar_frame(self, step: IonicStep) -> str:
        # VASP repeats the head only when the cell can change.
        head = self._head(step) if self._number == 1 or self._job.isif > 2 else ""
        rows = "".join("".join(f"{x:12.8f}" for x in position) + "\n" for position in step.fractional)
        return f"{head}Direct configuration= {self._number:5d}\n{rows}"


def _ibzkpt(job: Job, notice: str) -> str:
    rows = "".join("".join(f"{x:20.14f}" for x in point) + f"{1:14d}\n" for point in job.kpoints.points)
    return f"{notice}\n{len(job.kpoints.points):8d}\nReciprocal lattice\n{rows}"
