"""Processes that were set up but not run, and children that have ended in any way, to test steps one by one."""

from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory
from plumpy import ProcessState


def process(cls, inputs):
    """Return a process that was set up but not run.

    Args:
        cls: a WorkChain, a CalcJob, or the entry point of a CalcJob.
        inputs: of the process, or a builder with them.
    """
    cls = CalculationFactory(cls) if isinstance(cls, str) else cls
    inputs = inputs._inputs(prune=True) if hasattr(inputs, "_inputs") else inputs
    return instantiate_process(get_manager().get_runner(), cls, **inputs)


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
