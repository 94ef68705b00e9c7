"""Families of POTCARs in aiida-vasp's store: what is there, and how POTCARs are kept out of archives.

POTCARs are licensed. aiida-vasp keeps their content in ``PotcarFileData``, which no process is linked to, their hashes
in ``PotcarData``, and leaves the POTCAR of a job out of the job's repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiida.common.exceptions import NotExistent

from ...engine.errors import nearest
from ..base import GAP, LicensedFiles, PotentialFile, Potentials

LICENSED = LicensedFiles(
    noun="POTCARs",
    node_types=("data.vasp.potcar_file.",),
    file_name=re.compile("POTCAR", re.IGNORECASE),
    # The end of a POTCAR's header (however it is spelt), and what only a whole one has after it: the tabulated
    # potential; or one of its tables. VASP copies the header into OUTCAR, but neither this line nor the tables.
    content=re.compile(
        (
            rb"END~of~PSCTR-contr?oll?~parameters~(local~part|[-+0-9.])"
            rb"|(local~part|(reciprocal|real)~space~part|gradient~corrections~used~for~XC|core~charge-density~\(partial\)"
            rb"|atomic~pseudo~charge-density|augmentation~charges~\(non~spe?h?e?rical\)|PAW~radial~sets)(~[-+0-9.][-+0-9.DE]*){5}"
        ).replace(b"~", GAP),
        re.IGNORECASE,
    ),
    marks=(b"psctr", b"local", b"space", b"gradient", b"core", b"pseudo", b"augmentation", b"radial"),
    advice="leave POTCAR out of ADDITIONAL_RETRIEVE_LIST, or delete that node",
)


def upload_command(family: str, folder: str) -> str:
    """Return aiida-vasp's command that stores a family; the folder holds ``SYMBOL/POTCAR``."""
    return f"aiida-vasp potcar uploadfamily --path {folder} --name {family} --description TEXT"


def list_potcars(potentials: Potentials) -> list[PotentialFile]:
    """Return the POTCARs that a mapping names."""
    from aiida_vasp.data.potcar import PotcarData

    found = []
    for element, symbol in (potentials.mapping or {}).items():
        try:
            potcar = PotcarData.get_potcars_dict([element], potentials.family, {element: symbol})[element]
        except NotExistent:
            found.append(PotentialFile(element, symbol, None))
        else:
            found.append(PotentialFile(element, symbol, f"SHA-512 {potcar.sha512[:16]}…"))
    return found


def check_potcars(elements: Sequence[str], potentials: Potentials) -> list[str]:
    """Return what is missing: the family, an element in the mapping, a POTCAR in the family."""
    from aiida_vasp.data.potcar import PotcarData

    family, mapping = potentials.family, potentials.mapping or {}
    found = []
    missing = [element for element in elements if element not in mapping]
    if missing:
        found.append(
            f"no POTCAR is named for {', '.join(missing)}: add to potential_mapping, for instance "
            f"{{'{missing[0]}': '{missing[0]}'}}"
        )
    upload = upload_command(family, "FOLDER")
    if not family or PotcarData.get_potcar_group(family) is None:
        known = nearest(family, [group.label for group in PotcarData.get_potcar_groups()])
        return [*found, f"POTCAR family '{family}' is not in this profile{known}; upload it with: {upload}"]
    needed = {element: mapping[element] for element in elements if element in mapping}
    for potcar in list_potcars(Potentials(family, needed)):
        if potcar.fingerprint is None:
            found.append(
                f"POTCAR '{potcar.name}' of {potcar.element} is not in the family '{family}': name another in "
                f"potential_mapping, or upload the family again with it: {upload}"
            )
    return found
