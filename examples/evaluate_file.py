"""Evaluate a plain file of generated structures against a data set; no model is needed.

Takes the newest data set of the profile (make_dataset.py, or the demo). Without a file it evaluates the
validation structures: what a perfect model would generate.

verdi run examples/evaluate_file.py [generated.extxyz]
"""

import sys
from pathlib import Path

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import DataFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}


def main() -> None:
    """Submit the evaluation."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.interface"), filters={"attributes.exit_status": 0}, tag="dataset"
    )
    dataset = query.order_by({"dataset": {"id": "desc"}}).first(flat=True)
    if dataset is None:
        sys.exit("no finished data set in this profile: verdi run examples/make_dataset.py, or make demo")
    if len(sys.argv) > 1:
        generated = DataFactory("dismai.structures").from_file(Path(sys.argv[1]))
        generated.label = Path(sys.argv[1]).name
    else:
        generated = dataset.outputs.validation
    # a data set that was made with a potential given to it has that potential among its inputs
    potential = dataset.outputs.potential if "potential" in dataset.outputs else dataset.inputs.potential
    builder = WorkflowFactory("dismai.evaluate").get_builder_from_protocol(
        load_code(DISMAI),
        generated,
        dataset.outputs.train,
        potential,
        kind="interface",
        validation=dataset.outputs.validation,  # how far it is from the training set stands beside the result
        protocol=PROTOCOL,
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html report.html")


if __name__ == "__main__":
    main()
