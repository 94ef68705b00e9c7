"""Make a data set of amorphous silicon: structures by bond switching, a quench or carving; relaxed, measured, split.

verdi run examples/amorphous_dataset.py [LARGE_CELL]

With a file (extxyz, npz, LAMMPS data) of a large amorphous cell, the structures are carved out of it.
"""

import sys
from pathlib import Path

from aiida.engine import submit
from aiida.orm import load_code
from aiida.plugins import DataFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"  # moderate: 200 structures of 256 atoms; paper: 1500
OPTIONS = {}
ROUTE = "network"  # bond switching; or quench, a melt cooled by molecular dynamics
# for instance {"relax": {"parameters": {"calculator": "gap", "calculator_kwargs": {"param_filename": "/path/gp.xml"}}}}
OVERRIDES = {}
SEED = 1


def main() -> None:
    """Submit the data set."""
    large_cell = None
    if len(sys.argv) > 1:
        large_cell = DataFactory("dismai.structures").from_file(Path(sys.argv[1]))
        large_cell.label = Path(sys.argv[1]).name
    builder = WorkflowFactory("dismai.dataset.amorphous").get_builder_from_protocol(
        load_code(DISMAI),
        SEED,
        route="carve" if large_cell is not None else ROUTE,
        large_cell=large_cell,
        protocol=PROTOCOL,
        overrides=OVERRIDES,
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html silicon.html, and examples/amorphous_benchmark.py")


if __name__ == "__main__":
    main()
