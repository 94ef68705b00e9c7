"""`aiida-dismai doctor`: everything that a study needs, looked at, with what mends the rest."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import click

from ..calculations.gpus import with_gpus
from ..engine.errors import BadInput
from ..terminal import console, table
from .findings import (
    Finding,
    code_finding,
    computer_findings,
    daemon_findings,
    job_finding,
    profile_findings,
)
from .launching import seconds
from .potentials import label_options, potential_rows
from .profiles import is_imported, load_code, load_profile, visible_codes
from .stuck import daemon_runs

#: Wall time of the job, seconds.
WALL = 600


@click.command()
@click.option("--code", "names", multiple=True, metavar="CODE", help="Only this code; may be repeated.")
@click.option("--job/--no-job", default=True, show_default=True, help="Submit a small job on each `dismai` code.")
@click.option("--gpus", type=click.IntRange(min=1), help="GPUs of that job.")
@click.option("--queue", help="Queue or partition of that job.")
@click.option("--account", help="Account of that job.")
@click.option(
    "--patience", default="00:10:00", show_default=True, metavar="TIME", help="How long to wait for the jobs."
)
@label_options
def doctor(
    names: tuple[str, ...],
    job: bool,
    gpus: int | None,
    queue: str | None,
    account: str | None,
    patience: str,
    engine_name: str | None,
    protocol: str | None,
    overrides: str | None,
    settings: tuple[str, ...],
) -> None:
    """Look at profile, broker, daemon, computers, codes and potentials, and say what mends what is not well.

    A small job on each `dismai` code goes through the real scheduler and tells what it finds there: GPU, cores, disk.
    The exit status is 1 if something is wrong.
    """
    profile = load_profile()
    limit = seconds(patience)
    codes = [load_code(name) for name in names] if names else own_codes()
    rows = list(
        _shown(
            [
                *profile_findings(profile),
                *daemon_findings(profile),
                *(finding for computer in _computers(codes) for finding in computer_findings(computer)),
                *(code_finding(code, is_dismai(code)) for code in codes),
            ]
        )
    )
    if not any(is_dismai(code) for code in codes):
        text = "none; `aiida-dismai setup code --computer NAME --executable PATH` makes one"
        rows += _shown([Finding("dismai code", "wrong", text)])
    if not names:
        rows += potential_rows(engine_name, protocol, overrides, settings)
    well = {row[0] for row in rows if row[1] == "ok"}
    able = [code for code in codes if is_dismai(code) and f"code {code.full_label}" in well]
    if job and able:
        options = {"queue_name": queue, "account": account, "gpus": gpus}
        rows += _shown(job_findings(able, {name: value for name, value in options.items() if value}, limit))
    console().print(table("aiida-dismai doctor", ("what", "", "found"), rows))
    if any(row[1] == "wrong" for row in rows):
        sys.exit(1)


def own_codes() -> list[Any]:
    """Return the codes of this profile that its workflows run, without those that an archive brought."""
    from ..dft import engine_of_plugin

    return [
        code
        for code in visible_codes()
        if (is_dismai(code) or engine_of_plugin(code.default_calc_job_plugin or "") is not None)
        and not is_imported(code)
    ]


def is_dismai(code: Any) -> bool:
    """Whether a code is declared to run tasks of the engine."""
    return (code.default_calc_job_plugin or "").startswith("dismai.")


def job_findings(codes: list[Any], options: dict[str, Any], limit: float) -> Iterator[Finding]:
    """Submit the task `check` on each code, wait for all of them, and yield what they found."""
    from aiida.engine import submit

    from ..calculations.check import CheckCalculation

    if not daemon_runs():
        yield Finding("job", "skipped", "the daemon submits it; start it first")
        return
    nodes = []
    for code in codes:
        try:
            known = with_gpus(options, {"device": "auto"}, code)
        except BadInput as error:
            yield Finding(f"job on {code.computer.label}", "wrong", str(error))
            continue
        job = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": WALL}
        metadata = {"label": "aiida-dismai doctor", "options": job | known, "disable_cache": True}
        nodes.append(submit(CheckCalculation, code=code, parameters={}, metadata=metadata))
    end = time.monotonic() + limit
    while any(not node.is_terminated for node in nodes) and time.monotonic() < end:
        time.sleep(1.0)
    for node in nodes:
        yield job_finding(node, options.get("gpus", 0))


def _computers(codes: Iterable[Any]) -> list[Any]:
    found = {code.computer.pk: code.computer for code in codes if code.computer is not None}
    return list(found.values())


def _shown(findings: Iterable[Finding]) -> Iterator[tuple[str, str, str]]:
    for finding in findings:
        yield finding.what, finding.state, finding.found
