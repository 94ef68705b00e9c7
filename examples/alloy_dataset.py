"""Sample Fe60Ni20Cr20 with the paper's cluster expansion and choose data sets by short-range order.

verdi run examples/alloy_dataset.py
"""

from aiida.engine import submit
from aiida.orm import load_code
from aiida.plugins import DataFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"  # paper: four sets of 1500 structures of 256 atoms, a minute or two on two cores
OPTIONS = {}
EXPANSION = None  # the path of a JSON file with an expansion of your own; composition and cell go into OVERRIDES
OVERRIDES = {}  # for instance {"temperatures": [600], "selections": {"wide": None}}
SEED = 1


def main() -> None:
    """Submit the data sets."""
    builder = WorkflowFactory("dismai.dataset.alloy").get_builder_from_protocol(
        load_code(DISMAI),
        SEED,
        expansion=DataFactory("dismai.expansion")(EXPANSION) if EXPANSION else None,
        protocol=PROTOCOL,
        overrides=OVERRIDES,
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html alloys.html, and examples/alloy_benchmark.py")


if __name__ == "__main__":
    main()
