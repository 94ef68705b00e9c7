"""From two bulk crystals to a data set of low-energy interfaces, with a potential trained for it on the way.

verdi run examples/make_dataset.py
"""

from aiida.engine import submit
from aiida.orm import load_code
from aiida.plugins import WorkflowFactory

from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2

DISMAI = "dismai@localhost"
DFT_CODE = "vasp-standin@localhost"  # the demo's stand-in for VASP: not DFT
PROTOCOL = "demo"  # the only one whose potentials are the stand-in's; with VASP: moderate or paper
OPTIONS = {}  # of the jobs of `dismai`
DFT_OPTIONS = {}  # of the jobs of the DFT code
SEED = 1


def main() -> None:
    """Submit the data set."""
    stages = {stage: {"options": DFT_OPTIONS} for stage in ("stage_1", "stage_2")}
    builder = WorkflowFactory("dismai.dataset.interface").get_builder_from_protocol(
        load_code(DISMAI),
        set_to_structure_data(licoo2())[0],
        set_to_structure_data(li3sccl6())[0],
        SEED,
        dft_code=load_code(DFT_CODE),
        protocol=PROTOCOL,
        # the labels to train on, and the check of the trained potential against DFT
        overrides={"label": stages, "potential": {"check": {"label": stages}}},
        options=OPTIONS,
    )
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then: aiida-dismai report {node.pk}, and examples/export_dataset.py or examples/benchmark_model.py")


if __name__ == "__main__":
    main()
