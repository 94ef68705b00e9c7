"""Children of WorkChains that have ended in any way one likes, so that steps can be tested one by one."""

from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from plumpy import ProcessState


def process(workchain, inputs):
    """Return a WorkChain process that was set up but not run."""
    return instantiate_process(get_manager().get_runner(), workchain, **inputs)


def ended(exit_status=0, message=None, outputs=None, node_class=orm.WorkChainNode, computer=None):
    """Return a stored process node that has ended, with outputs."""
    node = node_class(computer=computer) if computer is not None else node_class()
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    node.set_process_label("Fake")
    if message:
        node.set_exit_message(message)
    node.store()
    creates = issubclass(node_class, orm.CalculationNode)
    for label, output in (outputs or {}).items():
        if creates:
            output.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label=label)
            output.store()
        else:
            output.store()
            output.base.links.add_incoming(node, link_type=LinkType.RETURN, link_label=label)
    return node


def weights(kind, elements=("Li", "O", "Cl", "Sc", "Co", "Cu")):
    """Return a node of a potential or a generator whose weights are one number."""
    import tempfile
    from pathlib import Path

    import numpy as np
    from safetensors.numpy import save

    from aiida_dismai.data import GeneratorData, PotentialData
    from aiida_dismai.engine.structures import StructureSet, write_npz
    from aiida_dismai.engine.trained import GENERATOR, POTENTIAL

    form = {"potential": POTENTIAL, "generator": GENERATOR}[kind]
    content = save({"a": np.zeros(1)})
    config = {
        **{key: {} for key in form.keys},
        "data_std": 1.0,
        "model_version": 1,
        "architecture": "m3gnet",
        "model": "cryingan",
        "elements": list(elements),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "weights.safetensors").write_bytes(content)
        write_npz(StructureSet.from_uniform([3], np.zeros((1, 1, 3)), np.eye(3)), folder / "template.npz")
        form.write_config(folder, config)
        return {"potential": PotentialData, "generator": GeneratorData}[kind](folder)
