"""aiida-quantumespresso's restarts of pw.x; here a stage may end on its last step, and killed jobs are restarted.

There, a job that reached ``nstep`` (exit code 502) is restarted until ``max_iterations``, and fails then. The paper's
first stage takes 50 steps, wherever they lead. A job that was killed without notice (exit codes 312 and 340: a node
that failed, a time limit that came before ``max_seconds``) fails there at once.
"""

from __future__ import annotations

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode

try:
    from aiida_quantumespresso.calculations.pw import PwCalculation
    from aiida_quantumespresso.common.types import RestartType
    from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
except ModuleNotFoundError as error:
    raise ImportError("aiida-quantumespresso is not installed: pip install 'aiida-dismai[qe]'") from error


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

    @process_handler(
        priority=578,
        exit_codes=[
            PwCalculation.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE,
            PwCalculation.exit_codes.ERROR_OUT_OF_WALLTIME_INTERRUPTED,
        ],
    )
    def restart_after_interruption(self, calculation: CalcJobNode) -> ProcessHandlerReport:
        """Start again from the last geometry that is known; wave functions on disk may be damaged."""
        if "output_structure" in calculation.outputs:
            self.ctx.inputs.structure = calculation.outputs.output_structure
        self.set_restart_type(RestartType.FROM_SCRATCH)
        self.report_error_handled(calculation, "the job was interrupted: starting again from the last geometry")
        return ProcessHandlerReport(True)

    @process_handler(
        priority=705, exit_codes=[PwCalculation.exit_codes.ERROR_IONIC_CONVERGENCE_REACHED_EXCEPT_IN_FINAL_SCF]
    )
    def relax_with_new_basis(self, calculation: CalcJobNode) -> ProcessHandlerReport:
        """Relax the cell on with the plane waves of the cell that came out, until these agree with it, too."""
        self.ctx.inputs.structure = calculation.outputs.output_structure
        self.set_restart_type(RestartType.FROM_SCRATCH)
        self.report_error_handled(calculation, "relaxing on with the plane waves of the new cell")
        return ProcessHandlerReport(True)
