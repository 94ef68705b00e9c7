"""Measure a file of generated alloy structures against a data set: clusters, vacancies, failed, order, energies.

Takes the newest alloy data sets of the profile. Without a file, the validation set stands for what a perfect model
would generate.

verdi run examples/alloy_file.py [FILE]
"""

import sys
from pathlib import Path

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import DataFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}
DATASET = "T300_wide"
ALIGN = "auto"  # how the lattice is laid on: auto, none, translate or rotate, as the model's README says


def main() -> None:
    """Submit the evaluation."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.alloy"), filters={"attributes.exit_status": 0}, tag="datasets"
    )
    made = query.order_by({"datasets": {"id": "desc"}}).first(flat=True)
    if made is None:
        sys.exit("no finished alloy data sets in this profile: verdi run examples/alloy_dataset.py")
    dataset = made.outputs.datasets[DATASET]
    if len(sys.argv) > 1:
        generated = DataFactory("dismai.structures").from_file(Path(sys.argv[1]))
        generated.label = Path(sys.argv[1]).name
    else:
        generated = dataset["validation"]
    builder = WorkflowFactory("dismai.evaluate").get_builder_from_protocol(
        load_code(DISMAI),
        generated,
        dataset["train"],
        kind="alloy",
        validation=dataset["validation"],  # how far it is from the training set stands beside the result
        protocol=PROTOCOL,
        overrides={"metrics": {"parameters": {"alloy": {"align": ALIGN}}}},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk}")


if __name__ == "__main__":
    main()
