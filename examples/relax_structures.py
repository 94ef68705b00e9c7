"""Relax structures with a trained potential, or with a calculator that needs none.

Takes the newest potential and the newest interfaces of the profile (of the demo, or of the other examples).

verdi run examples/relax_structures.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import CalculationFactory, DataFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}
CALCULATOR = "m3gnet"  # "chgnet", "edip" and the others of `dismai calculators` need no potential of ours


def main() -> None:
    """Submit the relaxations."""
    query = QueryBuilder().append(
        CalculationFactory("dismai.interfaces.build"), filters={"attributes.exit_status": 0}, tag="build"
    )
    query.append(DataFactory("dismai.structures"), with_incoming="build")
    structures = query.order_by({"build": {"id": "desc"}}).first(flat=True)
    if structures is None:
        sys.exit("no interfaces in this profile: verdi run examples/make_interfaces.py first")
    potential = None
    if CALCULATOR == "m3gnet":
        query = QueryBuilder().append(WorkflowFactory("dismai.potential"), tag="training")
        query.append(DataFactory("dismai.potential"), with_incoming="training")
        potential = query.order_by({"training": {"id": "desc"}}).first(flat=True)
        if potential is None:
            sys.exit("no potential in this profile: verdi run examples/train_potential.py, or CALCULATOR = 'chgnet'")
    builder = WorkflowFactory("dismai.relax").get_builder_from_protocol(
        load_code(DISMAI),
        structures,
        potential,
        protocol=PROTOCOL,
        overrides={"parameters": {"calculator": CALCULATOR}},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai dataset show {node.pk} (energies, steps, which converged)")


if __name__ == "__main__":
    main()
