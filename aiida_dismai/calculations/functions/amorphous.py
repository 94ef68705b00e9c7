"""Choosing the amorphous structures that make the data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from ...data import StructureSetData


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
    whole = structures.structures
    converged = whole.values("converged").astype(bool)
    why = np.where(converged, measures.get_array("rejected").astype(str), "not converged")
    good = np.flatnonzero(why == "")
    kept = good[: count.value]
    names, counts = np.unique(why[why != ""], return_counts=True)
    summary = {
        "looked_at": len(whole),
        "converged": int(converged.sum()),
        "accepted": len(good),
        "kept": len(kept),
        "wanted": count.value,
        "rejected": {str(name): int(number) for name, number in zip(names, counts, strict=True)},
    }
    return {"structures": StructureSetData(whole[kept]), "summary": Dict(summary)}
