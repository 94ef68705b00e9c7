"""A family of stand-in POTCARs: headers without potential data, for tests and the demo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

#: Potentials that the benchmark uses, with the ENMAX (eV) and valence electrons that VASP's own potential of
#: that name (PBE.54) has; the numbers are only passed on to the output files.
POTCAR_SYMBOLS: dict[str, tuple[float, float]] = {
    "Li_sv": (499.034, 3.0),
    "Sc_sv": (222.660, 11.0),
    "Co": (267.968, 9.0),
    "Cl": (262.472, 7.0),
    "O": (400.000, 6.0),
    "Si": (245.345, 4.0),
    "Fe": (267.882, 8.0),
    "Ni": (269.532, 10.0),
    "Cr": (227.080, 6.0),
    "Cu": (295.446, 11.0),
}

NOTICE = "STAND-IN of aiida-dismai: a header without potential data, NOT a VASP potential"

_TEMPLATE = """  PAW_PBE {symbol} 01Jan2000
   {zval:.10f}
 parameters from PSCTR are:
   VRHFIN ={element}: {notice}
   LEXCH  = PE
   EATOM  =     0.0000 eV,    0.0000 Ry

   TITEL  = PAW_PBE {symbol} 01Jan2000
   LULTRA =        F    use ultrasoft PP ?
   IUNSCR =        0    unscreen: 0-lin 1-nonlin 2-no
   RPACOR =     .000    partial core radius
   POMASS = {mass:8.3f}; ZVAL   = {zval:8.3f}    mass and valenz
   RCORE  =    2.000    outmost cutoff radius
   RWIGS  =    2.000; RWIGS  =    1.000    wigner-seitz radius (au A)
   ENMAX  =  {enmax:.3f}; ENMIN  =  {enmin:.3f} eV
   LCOR   =        T    correct aug charges
   LPAW   =        T    paw PP
   EAUG   =  400.000
   DEXC   =     .000
   RMAX   =    2.500    core radius for proj-oper
   RAUG   =    1.300    factor for augmentation sphere
   RDEP   =    2.000    radius for radial grids
 Atomic configuration
 END of PSCTR-controll parameters
 {notice}
 End of Dataset
"""


def write_potcar_family(folder: Path | str, symbols: Iterable[str] = tuple(POTCAR_SYMBOLS)) -> Path:
    """Write ``folder/SYMBOL/POTCAR`` for each symbol, the layout that ``aiida-vasp potcar uploadfamily`` reads.

    Args:
        folder: made if it is not there.
        symbols: names of potentials such as ``Li_sv``; one that is not in :data:`POTCAR_SYMBOLS` gets
            300 eV and one valence electron.

    Returns:
        The folder.
    """
    from ase.data import atomic_masses, atomic_numbers

    folder = Path(folder)
    for symbol in symbols:
        element = symbol.split("_")[0]
        enmax, zval = POTCAR_SYMBOLS.get(symbol, (300.0, 1.0))
        text = _TEMPLATE.format(
            symbol=symbol,
            element=element,
            notice=NOTICE,
            zval=zval,
            mass=atomic_masses[atomic_numbers[element]],
            enmax=enmax,
            enmin=0.75 * enmax,
        )
        (folder / symbol).mkdir(parents=True, exist_ok=True)
        (folder / symbol / "POTCAR").write_text(text)
    return folder
