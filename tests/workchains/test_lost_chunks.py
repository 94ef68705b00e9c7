"""Chunks of a relaxation whose jobs have failed for good: their structures are counted and named, up to a share."""

import numpy as np
import pytest
from aiida import orm
from support import handnodes
from support.children import ended, process, run_outline

from aiida_dismai.calculations.functions.sets import count_as_failed
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.potentials.outcomes import Outcome, collect
from aiida_dismai.report.stages import read_tree
from aiida_dismai.workchains.relax import RelaxWorkChain

LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"rc": 5.0}}


@pytest.fixture
def relax(dismai_code, copper):
    """Return a relaxation of five structures in chunks of two, with the share that may be lost."""

    def make(share):
        builder = RelaxWorkChain.get_builder_from_protocol(
            dismai_code,
            StructureSetData(copper(5).with_property("source", np.array(list("abcde")))),
            protocol="demo",
            overrides={"parameters": LJ, "chunk_size": 2, "max_concurrent": 3, "max_lost_share": share},
        )
        return process(RelaxWorkChain, builder)

    return make


def relaxed(structures):
    """Return what a job gives out that has relaxed all of its structures."""
    done = [Outcome(one.positions, one.cells[0], 2.0, 1.0, 0.01, 3, converged=True) for one in structures]
    return ended(outputs={"structures": StructureSetData(collect(structures, done)[0])})


def chunks_of(structures, *lost):
    """Return children by label: those of ``lost`` have failed."""
    parts = {f"chunk_{k:04d}": structures[2 * k : 2 * k + 2] for k in range(3)}
    return {
        label: ended(402, "killed <by> the system") if k in lost else relaxed(part)
        for k, (label, part) in enumerate(parts.items())
    }


def test_the_structures_of_a_lost_chunk_count_as_failed_and_keep_their_place(relax):
    chain = relax(0.4)
    given = chain.inputs.structures.structures
    result, _ = run_outline(chain, chunks_of(given, 1))
    assert result is None
    found = chain.outputs["structures"].structures
    assert found.values("converged").tolist() == [True, True, False, False, True]
    assert found.values("source").tolist() == list("abcde")
    assert found.values("failure").tolist() == [
        "",
        "",
        *["job failed: chunk_0001: killed <by> the system"] * 2,
        "",
    ]
    assert np.isnan(found.values("energy")).tolist() == [False, False, True, True, False]
    assert found.positions.tolist() == given.positions.tolist()
    assert chain.outputs["structures"].creator.inputs.chunk_0001.creator.process_label == "count_as_failed"


@pytest.mark.parametrize(("share", "lost"), [(0.3, (0,)), (0.0, (2,)), (0.99, (0, 1, 2))])
def test_above_the_share_or_with_nothing_left_the_relaxation_fails(relax, share, lost):
    chain = relax(share)
    result, _ = run_outline(chain, chunks_of(chain.inputs.structures.structures, *lost))
    assert result.status == chain.exit_codes.ERROR_CHUNKS_FAILED.status
    assert f"{len(lost)} of 3 chunks failed" in result.message
    kept = 5 - sum(1 if k == 2 else 2 for k in lost)
    assert (len(chain.outputs["structures"]) if kept else "structures" not in chain.outputs) == (kept or True)


def test_the_share_is_below_one(dismai_code, copper):
    with pytest.raises(ValueError, match="max_lost_share: must be at least 0 and below 1"):
        RelaxWorkChain.get_builder_from_protocol(
            dismai_code, StructureSetData(copper()), protocol="demo", overrides={"max_lost_share": 1.0}
        )


def test_what_is_counted_as_failed_is_what_a_relaxation_gives_up(aiida_profile_clean, copper):
    stale = copper(2).with_property("forces", np.zeros((8, 3)), level="atom", unit="eV/Å")
    found = count_as_failed(StructureSetData(stale), orm.Int(1), orm.Int(2), orm.Str("job failed: x")).structures
    assert len(found) == 1
    assert "forces" not in found.properties
    assert found.values("steps").tolist() == [0]


def test_a_report_says_how_many_were_lost(aiida_profile_clean, copper):
    given = StructureSetData(copper(5)).store()
    chain = handnodes.process(orm.WorkChainNode, "aiida.workflows:dismai.relax", "RelaxWorkChain")
    for start, stop in ((0, 2), (4, 5)):
        inputs = {"structures": given, "start": orm.Int(start), "stop": orm.Int(stop)}
        handnodes.process(orm.CalcFunctionNode, "aiida.calculations:x", "count_as_failed", inputs, caller=chain)
    handnodes.end(chain)
    assert read_tree(chain).losses == [{"stage": "", "what": "lost with a job that failed", "count": 3, "of": 5}]
