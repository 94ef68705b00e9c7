"""Compare models on small data sets that ship with the package; nothing has to be made first.

verdi run examples/small_study.py
"""

from aiida.engine import submit
from aiida.orm import load_code
from aiida.plugins import WorkflowFactory

from aiida_dismai.cli.small import small_nodes
from aiida_dismai.engine.small.catalogue import find

DISMAI = "dismai@localhost"
OPTIONS = {}
DATASETS = ["alloy_300K_wide", "alloy_1500K_wide"]  # `dismai small list` names them
MODELS = {"cryingan": {}}  # overrides of the benchmark by name; random and resample run beside them
SEEDS = [1]


def main() -> None:
    """Submit the study."""
    datasets = {}
    for name in DATASETS:
        chosen = find(name)
        measured = {"evaluate": {"metrics": {"parameters": dict(chosen.metrics)}}}
        datasets[name] = {**small_nodes(chosen), "kind": chosen.kind, "overrides": measured}
    builder = WorkflowFactory("dismai.study").get_builder_from_protocol(
        load_code(DISMAI), datasets, MODELS, SEEDS, protocol="small", options=OPTIONS
    )
    for note in builder._notes:
        print(note)
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>: aiida-dismai status {node.pk} --watch")


if __name__ == "__main__":
    main()
