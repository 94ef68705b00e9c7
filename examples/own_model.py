"""Benchmark a generative model that is not part of this package.

The folder own_model/ is a small package that registers a model by an entry point. Install it first, here and
where the `dismai` code runs; then it is used like the built-in ones:

pip install ./examples/own_model
verdi run examples/own_model.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import WorkflowFactory

from aiida_dismai.engine.generators.registry import registered

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}
MODEL = "independent-atoms"
HYPERPARAMETERS = {"scale": 0.5}
SEED = 1


def main() -> None:
    """Submit the benchmark."""
    if MODEL not in registered():
        sys.exit(f"the model '{MODEL}' is not installed: pip install ./examples/own_model")
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
        overrides={"n_models": 1, "generator": {"models": {MODEL: {"hyperparameters": HYPERPARAMETERS}}}},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk} --html report.html")


if __name__ == "__main__":
    main()
