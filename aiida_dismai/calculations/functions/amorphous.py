"""Choosing the amorphous structures that make the data set."""

from __future__ import annotations

from typing import Any

from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from ...data import StructureSetData
from ...engine.amorphous.gate import choose_accepted


@calcfunction
def select_accepted(structures: StructureSetData, measures: ArrayData, count: Int) -> dict[str, Any]:
    """Keep the first ``count`` relaxed structures that have converged and passed the gate.

    Args:
        structures: relaxed structures, with ``converged``.
        measures: of the same structures in the same order (output of ``dismai.amorphous.measure``).
        count: how many to keep at most.

    Returns:
        ``structures``, and ``summary``: a Dict with how many were looked at, converged, passed the gate and were kept,
        and why the others were rejected (reason → count; one that has not converged counts as that alone).
    """
    rejected = measures.get_array("rejected").astype(str)
    chosen, summary = choose_accepted(structures.structures, rejected, count.value)
    return {"structures": StructureSetData(chosen), "summary": Dict(summary)}
