"""Write a data set of the profile to extended XYZ, for use outside AiiDA.

Takes the newest data set (make_dataset.py, or the demo).

verdi run examples/export_dataset.py [folder]
"""

import sys
from pathlib import Path

from aiida.orm import QueryBuilder
from aiida.plugins import WorkflowFactory


def main() -> None:
    """Write train.extxyz and validation.extxyz."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.interface"), filters={"attributes.exit_status": 0}, tag="dataset"
    )
    dataset = query.order_by({"dataset": {"id": "desc"}}).first(flat=True)
    if dataset is None:
        sys.exit("no finished data set in this profile: verdi run examples/make_dataset.py, or make demo")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "validation"):
        node = dataset.outputs[name]
        node.to_extxyz(folder / f"{name}.extxyz")
        print(f"{folder / name}.extxyz: {len(node)} structures, {', '.join(node.formulas)}, from node {node.uuid}")
    energies = dataset.outputs.energies
    print(f"E_cut {energies['e_cut']:.6f} eV/atom, low enough: {energies['low']} of {energies['converged']}")


if __name__ == "__main__":
    main()
