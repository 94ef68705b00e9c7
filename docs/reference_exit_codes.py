"""The page of exit codes, from the table, the process specs and the handlers of restarting WorkChains."""

from __future__ import annotations

from typing import Any

from aiida.engine import BaseRestartWorkChain, CalcJob, WorkChain
from reference_processes import OF_EVERY_PROCESS, first_paragraph, loaded
from reference_tables import NOTE, section, table

from aiida_dismai.exit_codes import EXIT_CODES, OF_AIIDA
from aiida_dismai.workchains.checked import CheckedWorkChain
from aiida_dismai.workchains.restart import RestartTaskWorkChain

#: Processes that have an exit code in common, in words.
COMMON: tuple[tuple[type, str], ...] = (
    (CalcJob, "every CalcJob"),
    (CheckedWorkChain, "every WorkChain"),
    (RestartTaskWorkChain, "every [restarting WorkChain](processes.md#restarting-jobs)"),
)


def handlers() -> list[Any]:
    """Return the process handlers of restarting WorkChains, in the order in which they are asked."""
    found = [item for item in vars(RestartTaskWorkChain).values() if hasattr(item, "answers")]
    return sorted(found, key=lambda item: -item.priority)


def processes_of(label: str, status: int) -> str:
    """Return the processes that have an exit code."""
    classes = {
        cls: f"`{name}`"
        for group in ("aiida.calculations", "aiida.workflows")
        for name, cls in loaded(group).items()
        if isinstance(cls, type) and issubclass(cls, (CalcJob, WorkChain))
    }
    having = {cls for cls in classes if label in (codes := cls.spec().exit_codes) and codes[label].status == status}
    words = []
    for common, text in COMMON:
        members = {cls for cls in classes if issubclass(cls, common)}
        if members <= having:
            words.append(text)
            having -= members
    return ", ".join([*words, *(name for cls, name in classes.items() if cls in having)])


def of_aiida() -> list[tuple[int, str, str, str]]:
    """Return status, label, message and remedy of AiiDA's own exit codes of jobs and restarting WorkChains."""
    codes = [*CalcJob.spec().exit_codes.items(), *BaseRestartWorkChain.spec().exit_codes.items()]
    return [
        (code.status, label, code.message, OF_AIIDA[label])
        for label, code in codes
        if code.status not in OF_EVERY_PROCESS
    ]


def exit_codes_page() -> str:
    """Return the page of exit codes."""
    answered = {code.status: handler.__name__ for handler in handlers() for code in handler.answers}
    rows = []
    for status, label, message, remedy in sorted([*of_aiida(), *EXIT_CODES]):
        handled = f"Handled by `{answered[status]}`, see below. " if status in answered else ""
        rows.append((status, f"`{label}`", message, processes_of(label, status), handled + remedy))
    decisions = [
        (", ".join(str(code.status) for code in handler.answers), first_paragraph(handler), f"`{handler.__name__}`")
        for handler in handlers()
    ]
    return section(
        NOTE,
        "# Exit codes\n\nOf every process, with what to do. A workflow passes on why a step failed in its own message; "
        "`aiida-dismai status PK` lists the processes below it that failed, with their exit codes.\n",
        table(
            ("range", "meaning"),
            (
                ("100–160", "AiiDA's own, of the scheduler"),
                ("300–349", "input rejected"),
                ("350–399", "output missing or unreadable, or a crash"),
                ("400–449", "can be resumed or tried again"),
                ("450–499", "the science failed"),
                ("301, 302, 401, 402 of WorkChains", "AiiDA's own, of restarting WorkChains"),
                ("500–599", "of WorkChains"),
            ),
        ),
        "Inputs that are wrong have no exit code: they are rejected at submission, all at once, and no process is "
        "made. So it is with a family of potentials that is missing; if it is deleted while the workflow runs, the "
        "code is 504.\n",
        "## All exit codes\n",
        table(("status", "label", "message", "of", "what to do"), rows),
        "## What restarting WorkChains do\n\nBy exit code of the job; what is not listed here is a failure (402, or "
        "what `on_unhandled_failure` says). `handler_overrides` switches a handler off, by its name.\n",
        table(("exit code of the job", "what is done", "handler"), decisions),
        "A job that is repeated with a smaller batch or another learning rate resumes from its checkpoint where that "
        "parameter may change with it ([restarts](../architecture.md#restarts)), and starts from the beginning "
        "otherwise.\n",
    )
