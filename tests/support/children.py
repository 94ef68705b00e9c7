"""Processes that were set up but not run, and WorkChains whose children have ended in any way one likes."""

from aiida import orm
from aiida.common import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory
from plumpy import Continue, ProcessState, Wait


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


def run_outline(chain, children):
    """Run the steps of a WorkChain with children that are given instead of run; their inputs are validated.

    Args:
        chain: a process that was set up.
        children: ended nodes by the label of their link.

    Returns:
        The exit code, None if there is none, and what was submitted, in order: label of the link, inputs.
    """
    submitted = []

    def submit(cls, **inputs):
        process(cls, inputs)
        label = inputs["metadata"]["call_link_label"]
        assert label in children, f"{cls.__name__} was submitted as {label}"
        submitted.append((label, inputs))
        return children[label]

    chain.submit = submit
    chain._stepper = chain.spec().get_outline().create_stepper(chain)
    while isinstance(result := chain._do_step(), Continue | Wait):
        for awaitable in list(chain._awaitables):
            chain._resolve_awaitable(awaitable, orm.load_node(awaitable.pk))
    return result, submitted
