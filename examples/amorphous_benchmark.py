"""Benchmark a model on amorphous silicon: train it several times, sample, relax, measure.

Takes the newest data set of amorphous silicon of the profile. What is generated is relaxed as its structures were.

verdi run examples/amorphous_benchmark.py [MODEL]
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}
MODEL = "random"  # the floor of every benchmark; resample is its ceiling; `dismai generators` lists what is installed
SEED = 1


def main() -> None:
    """Submit the benchmark."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.amorphous"), filters={"attributes.exit_status": 0}, tag="dataset"
    )
    made = query.order_by({"dataset": {"id": "desc"}}).first(flat=True)
    if made is None:
        sys.exit("no finished data set of amorphous silicon in this profile: verdi run examples/amorphous_dataset.py")
    builder = WorkflowFactory("dismai.benchmark").get_builder_from_protocol(
        load_code(DISMAI),
        made.outputs.train,
        made.outputs.validation,
        sys.argv[1] if len(sys.argv) > 1 else MODEL,
        SEED,
        kind="amorphous",
        protocol=PROTOCOL,
        overrides={"evaluate": {"relax": {"parameters": made.inputs.relax.job.parameters.get_dict()}}},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html report.html")


if __name__ == "__main__":
    main()
