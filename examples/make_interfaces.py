"""Build random Li3ScCl6(100)|LiCoO2(110) interfaces from the two bulk crystals.

verdi run examples/make_interfaces.py
"""

from aiida.engine import submit
from aiida.orm import Dict, Int, load_code
from aiida.plugins import CalculationFactory, WorkflowFactory

from aiida_dismai.calculations.monitors import with_monitors
from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2

DISMAI = "dismai@localhost"
PROTOCOL = "demo"  # moderate and paper make more structures of the same kind
OPTIONS = {}  # on a cluster for instance {"queue_name": "cpu", "account": "me"}
SEED = 1


def main() -> None:
    """Submit one CalcJob."""
    # the protocol of the data set holds what the paper says about the interface
    inputs = WorkflowFactory("dismai.dataset.interface").get_protocol_inputs(PROTOCOL)
    builder = CalculationFactory("dismai.interfaces.build").get_builder()
    builder.code = load_code(DISMAI)
    # any StructureData does; these two come with the package
    builder.slab_a = set_to_structure_data(licoo2())[0]
    builder.slab_b = set_to_structure_data(li3sccl6())[0]
    builder.parameters = Dict(inputs["interface"] | inputs["candidates"])
    builder.seed = Int(SEED)
    builder.metadata.options, builder.monitors = with_monitors(inputs["options"] | OPTIONS)
    node = submit(builder)
    print(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    print(f"then look at it: aiida-dismai dataset show {node.pk}")


if __name__ == "__main__":
    main()
