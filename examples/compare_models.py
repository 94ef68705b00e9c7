"""Compare models on alloy data sets: a benchmark for each, one table with ranks.

Takes the newest alloy data sets of the profile; beside the models run the floor, random, and the ceiling, resample.

verdi run examples/compare_models.py
"""

import sys

from aiida.engine import submit
from aiida.orm import QueryBuilder, load_code
from aiida.plugins import WorkflowFactory

DISMAI = "dismai@localhost"
PROTOCOL = "demo"  # that of the data sets: the lattice translations belong to their supercell
OPTIONS = {}
MODELS = {"cryingan": {}, "diffcsp": {}}  # overrides of the benchmark by name; `dismai generators` lists the models
SEEDS = [1]


def main() -> None:
    """Submit the study."""
    query = QueryBuilder().append(
        WorkflowFactory("dismai.dataset.alloy"), filters={"attributes.exit_status": 0}, tag="datasets"
    )
    made = query.order_by({"datasets": {"id": "desc"}}).first(flat=True)
    if made is None:
        sys.exit("no finished alloy data sets in this profile: verdi run examples/alloy_dataset.py")
    datasets = {
        name: {"train": parts.train, "validation": parts.validation, "kind": "alloy"}
        for name, parts in made.outputs.datasets.items()
    }
    builder = WorkflowFactory("dismai.study").get_builder_from_protocol(
        load_code(DISMAI), datasets, MODELS, SEEDS, protocol=PROTOCOL, options=OPTIONS
    )
    for note in builder._notes:
        print(note)
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>: aiida-dismai status {node.pk} --watch")


if __name__ == "__main__":
    main()
