"""Bringing the benchmarks of a study together."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict

from ...engine.metrics.study import Result, tabulate


@calcfunction
def tabulate_study(plan: Dict, **summaries: Dict) -> Dict:
    """Return the table of a study, see :func:`~aiida_dismai.engine.metrics.study.tabulate`.

    Args:
        plan: ``cells``: a :class:`~aiida_dismai.engine.metrics.study.Result` without summary for each; ``families`` and
            ``ranked`` as in ``tabulate``; ``mixed_labels``, in what the labels of the potentials differ, or "".
        summaries: of the benchmarks, by ``run`` of the cell.
    """
    content = plan.get_dict()
    results = []
    for cell in content["cells"]:
        summary = summaries.get(cell["run"])
        results.append(Result(**cell, summary=None if summary is None else summary.get_dict()))
    table = tabulate(results, content["families"], content["ranked"])
    if content.get("mixed_labels"):
        table["mixed_labels"] = content["mixed_labels"]
    return Dict(table)
