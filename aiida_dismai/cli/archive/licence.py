"""POTCARs are licensed: archives hold their hashes (`PotcarData`), never their content.

aiida-vasp keeps the content in `PotcarFileData`, which no process is linked to, and leaves the POTCAR of a
job out of the job's repository. Both are relied on and then checked: a user may have retrieved a POTCAR
with ``ADDITIONAL_RETRIEVE_LIST``, or stored one by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

#: Entry points of the node types that hold the content.
CONTENT_TYPES = ("data.vasp.potcar_file.",)
#: The end of a POTCAR's header, and what only a whole one has after it: the tabulated potential.
#: VASP copies the header into OUTCAR, but neither this line nor the tables.
CONTENT = re.compile(rb"END of PSCTR-controll parameters[^\n]*\n\s*(local part|[-+0-9.])")


def licensed_content(nodes: Iterable[Any]) -> Iterator[str]:
    """Yield a line for every place where the nodes hold the content of a POTCAR."""
    seen: dict[str, bool] = {}
    for node in nodes:
        if node.node_type.startswith(CONTENT_TYPES):
            yield f"{type(node).__name__}<{node.pk}> is the POTCAR of {node.base.attributes.get('symbol', '?')}"
            continue
        for folder, _, files in node.base.repository.walk():
            for name in files:
                path = str(PurePosixPath(folder) / name)
                if "POTCAR" in PurePosixPath(name).name.upper():
                    yield f"{type(node).__name__}<{node.pk}> holds a file '{path}'"
                    continue
                key = node.base.repository.get_object(path).key
                if key not in seen:
                    with node.base.repository.open(path, "rb") as handle:
                        seen[key] = CONTENT.search(handle.read()) is not None
                if seen[key]:
                    yield f"{type(node).__name__}<{node.pk}> holds the content of a POTCAR in '{path}'"
