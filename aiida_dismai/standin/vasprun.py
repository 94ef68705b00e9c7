"""Writing vasprun.xml: inputs, atoms, k-points and, for each ionic step, structure, forces, stress, energies."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from ..engine.files import open_text
from ..engine.units import EV_PER_A3_IN_KBAR
from .inputs import Job, Potential
from .outcar import bands, cutoff, electrons
from .relaxation import IonicStep

#: Free energy, energy without entropy, energy extrapolated to zero smearing: one number in a stand-in.
ENERGIES = ("e_fr_energy", "e_wo_entrp", "e_0_energy")


class VasprunWriter:
    """An open vasprun.xml.

    Args:
        path: where to write.
        job: the inputs.
        version: VASP's version that the layout is of.
        notice: says that this is not DFT.
        scf_steps: electronic steps that each ionic step claims.
    """

    def __init__(self, path: Path, job: Job, version: str, notice: str, scf_steps: int) -> None:
        self._file = open_text(path, "iso-8859-1", "xmlcharrefreplace")
        self._scf_steps = scf_steps
        poscar = job.poscar
        self._free = poscar.free if poscar.selective else None
        write = self._file.write
        write(f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<!-- {escape(notice)} -->\n<modeling>\n')
        write(_generator(version, notice))
        write(" <incar>\n" + "".join(_tag(*item) for item in job.incar.tags.items()) + " </incar>\n")
        write(_kpoints(job))
        write(_parameters(job))
        write(_atominfo(job.poscar.groups, job.potentials))
        write(_structure(poscar.cell, poscar.fractional, "initialpos", self._free))
        self._last = (poscar.cell, poscar.fractional)

    def step(self, step: IonicStep) -> None:
        """Write one ionic step."""
        write = self._file.write
        write(" <calculation>\n")
        for _ in range(self._scf_steps):
            write("  <scstep>\n" + _energies(step.energy, "   ") + "  </scstep>\n")
        write(_structure(step.cell, step.fractional, None, self._free))
        write(_varray("forces", step.forces, "  "))
        write(_varray("stress", -step.stress * EV_PER_A3_IN_KBAR, "  "))
        write(_energies(step.energy, "  ") + " </calculation>\n")
        self._file.flush()
        self._last = (step.cell, step.fractional)

    def begin_step(self) -> None:
        """Write the beginning of another ionic step."""
        self._file.write(" <calculation>\n  <scstep>\n" + _energies(0.0, "   ") + "  </scstep>\n  <scstep>\n   <ene")

    def finish(self) -> None:
        """Write the final structure and close the document."""
        self._file.write(_structure(*self._last, "finalpos", self._free) + "</modeling>\n")
        self.close()

    def close(self) -> None:
        """Leave the file as it is."""
        self._file.close()


def _generator(version: str, notice: str) -> str:
    now = time.localtime()
    items = {
        "program": "vasp ",
        "version": f"{version}  ",
        "subversion": escape(notice),
        "platform": "ASE ",
        "date": time.strftime("%Y %m %d ", now),
        "time": time.strftime("%H:%M:%S ", now),
    }
    rows = "".join(f'  <i name="{name}" type="string">{value}</i>\n' for name, value in items.items())
    return f" <generator>\n{rows} </generator>\n"


def _kpoints(job: Job) -> str:
    kpoints = job.kpoints
    text = " <kpoints>\n"
    if kpoints.mesh is not None:
        divisions = "".join(f"{n:9d}" for n in kpoints.mesh)
        text += f'  <generation param="{kpoints.style}">\n   <v type="int" name="divisions">{divisions} </v>\n'
        text += f'   <v name="usershift">{_numbers(kpoints.shift)} </v>\n  </generation>\n'
    else:
        text += f'  <generation param="{kpoints.style}">\n  </generation>\n'
    return (
        text
        + _varray("kpointlist", kpoints.points, "  ")
        + _varray("weights", kpoints.weights[:, None], "  ")
        + " </kpoints>\n"
    )


def _parameters(job: Job) -> str:
    """Return the section with all tags, the defaults of what readers look for filled in."""
    acted_on: dict[str, Any] = {
        "SYSTEM": job.poscar.comment,
        "PREC": "normal",
        "ENMAX": cutoff(job),
        "EDIFF": job.incar.real("EDIFF", 1e-4),
        "EDIFFG": job.ediffg,
        "NSW": job.nsw,
        "IBRION": job.ibrion,
        "ISIF": job.isif,
        "NELM": job.nelm,
        "ISPIN": job.incar.integer("ISPIN", 1),
        "ISMEAR": job.incar.integer("ISMEAR", 1),
        "SIGMA": job.incar.real("SIGMA", 0.2),
        "NELECT": electrons(job),
        "NBANDS": bands(job),
    }
    rest = {name: value for name, value in job.incar.tags.items() if name not in acted_on}
    rows = "".join(_tag(name, value) for name, value in {**acted_on, **rest}.items())
    return f' <parameters>\n  <separator name="general" >\n{rows}  </separator>\n </parameters>\n'


def _tag(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f'  <i name="{name}">{value:16.8f}</i>\n'
    text = str(value)
    if re.fullmatch(r"[-+]?\d+", text):
        return f'  <i type="int" name="{name}">{int(text):6d}</i>\n'
    if text.strip(".").upper() in ("T", "TRUE", "F", "FALSE"):
        return f'  <i type="logical" name="{name}"> {text.strip(".").upper()[0]}  </i>\n'
    try:
        return f'  <i name="{name}">{float(text):16.8f}</i>\n'
    except ValueError:
        return f'  <i type="string" name="{name}">{escape(text)}</i>\n'


def _atominfo(groups: list[tuple[str, int]], potentials: list[Potential]) -> str:
    atoms = "".join(
        f"    <rc><c>{symbol:2s}</c><c>{kind:4d}</c></rc>\n" * count for kind, (symbol, count) in enumerate(groups, 1)
    )
    types = "".join(
        f"    <rc><c>{count:4d}</c><c>{symbol:2s}</c><c>{p.mass:16.8f}</c><c>{p.zval:16.8f}</c>"
        f"<c>  {p.title:40s}</c></rc>\n"
        for (symbol, count), p in zip(groups, potentials, strict=True)
    )
    return (
        f" <atominfo>\n  <atoms>{sum(count for _, count in groups):8d} </atoms>\n  <types>{len(groups):8d} </types>\n"
        '  <array name="atoms" >\n   <dimension dim="1">ion</dimension>\n   <field type="string">element</field>\n'
        f'   <field type="int">atomtype</field>\n   <set>\n{atoms}   </set>\n  </array>\n'
        '  <array name="atomtypes" >\n   <dimension dim="1">type</dimension>\n'
        '   <field type="int">atomspertype</field>\n   <field type="string">element</field>\n'
        "   <field>mass</field>\n   <field>valence</field>\n"
        f'   <field type="string">pseudopotential</field>\n   <set>\n{types}   </set>\n  </array>\n </atominfo>\n'
    )


def _structure(cell: Any, fractional: Any, name: str | None, free: Any) -> str:
    text = f' <structure name="{name}" >\n' if name else " <structure>\n"
    text += "  <crystal>\n" + _varray("basis", cell, "   ")
    text += f'   <i name="volume">{abs(np.linalg.det(cell)):16.8f} </i>\n'
    text += _varray("rec_basis", np.linalg.inv(cell).T, "   ") + "  </crystal>\n"
    text += _varray("positions", fractional, "  ")
    if free is not None:
        rows = "".join('   <v type="logical" > ' + " ".join("T" if x else "F" for x in row) + " </v>\n" for row in free)
        text += f'  <varray name="selective" type="logical" >\n{rows}  </varray>\n'
    return text + " </structure>\n"


def _varray(name: str, rows: Any, indent: str) -> str:
    body = "".join(f"{indent} <v>{_numbers(row)} </v>\n" for row in rows)
    return f'{indent}<varray name="{name}" >\n{body}{indent}</varray>\n'


def _numbers(row: Any) -> str:
    return "".join(f" {value:16.8f}" for value in row)


def _energies(energy: float, indent: str) -> str:
    rows = "".join(f'{indent} <i name="{name}">{energy:16.8f} </i>\n' for name in ENERGIES)
    return f"{indent}<energy>\n{rows}{indent}</energy>\n"
