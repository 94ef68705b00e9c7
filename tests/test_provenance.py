"""The tree of processes is read whole, in order, and a level at a time."""

import pytest
from aiida.orm import CalcJobNode, WorkChainNode
from sqlalchemy import event
from support.handnodes import process

from aiida_dismai.provenance import walk


@pytest.fixture
def tree(aiida_profile_clean):
    """Return a workflow with three sub-workflows of two jobs each, the second of which calls another workflow."""
    root = process(WorkChainNode, "aiida.workflows:dismai.study", "Study")
    for index in range(3):
        middle = process(WorkChainNode, "aiida.workflows:dismai.relax", "Relax", caller=root, call=f"relax_{index}")
        for chunk in range(2):
            process(CalcJobNode, "aiida.calculations:dismai.relax", "Job", caller=middle, call=f"chunk_{chunk}")
        if index == 1:
            deep = process(WorkChainNode, "aiida.workflows:dismai.sample", "Deep", caller=middle, call="deep")
            process(CalcJobNode, "aiida.calculations:dismai.sample", "Job", caller=deep, call="chunk_0")
    return root


def test_callers_come_before_what_they_called_in_the_order_of_the_calls(tree):
    found = [(called.depth, "/".join(called.labels)) for called in walk(tree)]
    assert found == [
        (0, ""),
        (1, "relax_0"),
        (2, "relax_0/chunk_0"),
        (2, "relax_0/chunk_1"),
        (1, "relax_1"),
        (2, "relax_1/chunk_0"),
        (2, "relax_1/chunk_1"),
        (2, "relax_1/deep"),
        (3, "relax_1/deep/chunk_0"),
        (1, "relax_2"),
        (2, "relax_2/chunk_0"),
        (2, "relax_2/chunk_1"),
    ]
    assert len({called.node.pk for called in walk(tree)}) == len(found)


def test_what_lies_below_can_be_left_out(tree):
    kept = [called.labels for called in walk(tree, lambda node: node.process_label != "Relax")]
    assert kept == [(), ("relax_0",), ("relax_1",), ("relax_2",)]
    assert [called.node.pk for called in walk(tree, lambda node: False)] == [tree.pk]


def test_queries_grow_with_the_depth_and_not_with_the_processes(tree, aiida_profile_clean):
    from aiida.manage import get_manager

    statements = []
    engine = get_manager().get_profile_storage().get_session().get_bind()
    note = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert len(list(walk(tree))) == 12
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len([statement for statement in statements if "db_dblink" in statement]) == 4
