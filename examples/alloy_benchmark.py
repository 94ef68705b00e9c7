"""Benchmark a model on one alloy data set: train it several times, sample, put on the lattice, measure.

Takes the newest alloy data sets of the profile.

verdi run examples/alloy_benchmark.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"  # that of the data set: the lattice translations belong to its supercell
OPTIONS = {}
DATASET = "T1500_narrow"
MODEL = "cryingan"  # `dismai generators` lists what is installed
SEED = 1


def main() -> None:
    """Submit the benchmark."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.alloy"), filters={"attributes.exit_status": 0}, tag="datasets"
    )
    made = query.order_by({"datasets": {"id": "desc"}}).first(flat=True)
    if made is None:
        sys.exit("no finished alloy data sets in this profile: verdi run examples/alloy_dataset.py")
    dataset = made.outputs.datasets[DATASET]
    builder = WorkflowFactory("dismai.benchmark").get_builder_from_protocol(
        load_code(DISMAI),
        dataset["train"],
        dataset["validation"],
        MODEL,
        SEED,
        kind="alloy",
        protocol=PROTOCOL,
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html report.html")


if __name__ == "__main__":
    main()
