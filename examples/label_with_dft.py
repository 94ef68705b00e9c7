"""Relax some interfaces with DFT in the paper's two stages and keep every ionic step as a label.

Takes the newest structures that `dismai.interfaces.build` has made (make_interfaces.py, or the demo).

verdi run examples/label_with_dft.py
"""

import sys

from aiida.engine import submit
from aiida.orm import Int, QueryBuilder, load_code
from aiida.plugins import CalculationFactory, DataFactory, WorkflowFactory

from aiida_dismai.calculations.functions.sets import slice_structures

DFT_CODE = "vasp-standin@localhost"  # the demo's stand-in for VASP: not DFT
PROTOCOL = "demo"  # the only one whose potentials are the stand-in's; with VASP: moderate or paper
OPTIONS = {}  # of the DFT jobs, for instance {"resources": {"num_machines": 2}, "queue_name": "cpu"}
COUNT = 4  # how many of the structures


def main() -> None:
    """Submit the relaxations."""
    query = QueryBuilder().append(
        CalculationFactory("dismai.interfaces.build"), filters={"attributes.exit_status": 0}, tag="build"
    )
    query.append(DataFactory("dismai.structures"), with_incoming="build", filters={"attributes.count": {">=": COUNT}})
    structures = query.order_by({"build": {"id": "desc"}}).first(flat=True)
    if structures is None:
        sys.exit(f"no set of {COUNT} interfaces in this profile: verdi run examples/make_interfaces.py first")
    # a calcfunction, so that the graph knows where the four come from
    few = slice_structures(structures, Int(0), Int(COUNT))
    builder = WorkflowFactory("dismai.label").get_builder_from_protocol(
        load_code(DFT_CODE), few, protocol=PROTOCOL, options=OPTIONS
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: verdi node show {node.pk} (labelled, relaxed, failed), and examples/train_potential.py")


if __name__ == "__main__":
    main()
