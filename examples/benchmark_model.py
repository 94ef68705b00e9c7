"""Benchmark a model: train it several times, sample, relax, measure; mean (min, max) over the models.

Takes the newest data set of the profile (make_dataset.py, or the demo).

verdi run examples/benchmark_model.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}
MODEL = "cryingan"  # `dismai generators` lists what is installed
SEED = 1


def main() -> None:
    """Submit the benchmark."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.interface"), filters={"attributes.exit_status": 0}, tag="dataset"
    )
    dataset = query.order_by({"dataset": {"id": "desc"}}).first(flat=True)
    if dataset is None:
        sys.exit("no finished data set in this profile: verdi run examples/make_dataset.py, or make demo")
    potential = dataset.outputs.potential if "potential" in dataset.outputs else dataset.inputs.potential
    builder = WorkflowFactory("dismai.benchmark").get_builder_from_protocol(
        load_code(DISMAI),
        dataset.outputs.train,
        dataset.outputs.validation,
        MODEL,
        SEED,
        potential=potential,
        protocol=PROTOCOL,
        overrides={"n_models": 2},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html report.html")
    print(f"and to share it: aiida-dismai archive create {node.pk} benchmark.aiida")


if __name__ == "__main__":
    main()
