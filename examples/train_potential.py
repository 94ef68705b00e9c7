"""Train an M3GNet potential on ionic steps of DFT.

Takes the newest labels that `dismai.label` has made (label_with_dft.py, or the demo).

verdi run examples/train_potential.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import DataFactory, WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}  # on a cluster for instance {"custom_scheduler_commands": "#SBATCH --gres=gpu:1"}
SEED = 1
FEWEST = 10  # ionic steps; smaller sets are those of a check of a potential


def main() -> None:
    """Submit the training."""
    query = QueryBuilder().append(WorkflowFactory("dismai.label"), filters={"attributes.exit_status": 0}, tag="label")
    query.append(
        DataFactory("dismai.structures"),
        with_incoming="label",
        edge_filters={"label": "labelled"},
        filters={"attributes.count": {">=": FEWEST}},
    )
    labelled = query.order_by({"label": {"id": "desc"}}).first(flat=True)
    if labelled is None:
        sys.exit(f"no {FEWEST} labelled steps in this profile: verdi run examples/label_with_dft.py first")
    builder = WorkflowFactory("dismai.potential").get_builder_from_protocol(
        load_code(DISMAI), labelled, SEED, protocol=PROTOCOL, options=OPTIONS
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: verdi node show {node.pk} (potential, results, curves, parity)")


if __name__ == "__main__":
    main()
