"""Compare interface regions, atom by atom: random interfaces beside the training set (section 2.6 of the paper).

Takes the newest data set of interfaces and the newest interfaces of make_interfaces.py; both are relaxed with the data
set's potential. Generated structures (outputs `generated` of a benchmark) take their place as well.

verdi run examples/compare_regions.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import CalculationFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}
OVERRIDES = {"compare": {"parameters": {"cations": ["Li", "Sc"]}}}  # whose surroundings are compared, as in the paper


def newest(process: type) -> object:
    """Return the newest process of a kind that has finished."""
    query = QueryBuilder().append(process, filters={"attributes.exit_status": 0}, tag="process")
    return query.order_by({"process": {"id": "desc"}}).first(flat=True)


def main() -> None:
    """Submit the comparison."""
    dataset = newest(WorkflowFactory("dismai.dataset.interface"))
    if dataset is None:
        sys.exit("no finished data set in this profile: verdi run examples/make_dataset.py, or make demo")
    built = newest(CalculationFactory("dismai.interfaces.build"))
    if built is None:
        sys.exit("no finished interfaces in this profile: verdi run examples/make_interfaces.py")
    potential = dataset.outputs.potential if "potential" in dataset.outputs else dataset.inputs.potential
    builder = WorkflowFactory("dismai.compare").get_builder_from_protocol(
        load_code(DISMAI),
        reference=dataset.outputs.train,
        structures=built.outputs.structures,
        potential=potential,
        protocol=PROTOCOL,
        overrides=OVERRIDES,
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; then: aiida-dismai report {node.pk}")


if __name__ == "__main__":
    main()
