"""Train one CryinGAN on a data set.

Takes the newest data set of the profile (make_dataset.py, or the demo).

verdi run examples/train_generator.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"
OPTIONS = {}  # on a cluster for instance {"custom_scheduler_commands": "#SBATCH --gres=gpu:1"}
MODEL = "cryingan"  # `dismai generators` lists what is installed
HYPERPARAMETERS = {"lambda_distance": 0.05}  # `dismai generators describe cryingan` lists all, with their defaults
SEED = 1


def main() -> None:
    """Submit the training."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.interface"), filters={"attributes.exit_status": 0}, tag="dataset"
    )
    dataset = query.order_by({"dataset": {"id": "desc"}}).first(flat=True)
    if dataset is None:
        sys.exit("no finished data set in this profile: verdi run examples/make_dataset.py, or make demo")
    builder = WorkflowFactory("dismai.generator").get_builder_from_protocol(
        load_code(DISMAI),
        dataset.outputs.train,
        MODEL,
        SEED,
        validation=dataset.outputs.validation,
        protocol=PROTOCOL,
        overrides={"models": {MODEL: {"hyperparameters": HYPERPARAMETERS}}},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: verdi node show {node.pk} (generator, curves, results)")


if __name__ == "__main__":
    main()
