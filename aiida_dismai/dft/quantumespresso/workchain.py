"""aiida-quantumespresso's restarts of pw.x, with a stage that may end on its last ionic step.

There, a job that reached ``nstep`` (exit code 502) is restarted until ``max_iterations``, and fails then. The paper's
first stage takes 50 steps, wherever they lead.
"""

from __future__ import annotations

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode
from aiida_quantumespresso.calculations.pw import PwCalculation
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain


class PwStageWorkChain(PwBaseWorkChain):
    """One stage of a relaxation with pw.x; ``handler_overrides`` turn :meth:`finish_on_last_step` on."""

    @process_handler(
        priority=700, exit_codes=[PwCalculation.exit_codes.ERROR_IONIC_CYCLE_EXCEEDED_NSTEP], enabled=False
    )
    def finish_on_last_step(self, calculation: CalcJobNode) -> ProcessHandlerReport:
        """Take a job that did all its ionic steps for finished."""
        self.ctx.is_finished = True
        self.report(f"{calculation.process_label}<{calculation.pk}> did all its ionic steps, which is enough")
        self.results()
        return ProcessHandlerReport(True)
