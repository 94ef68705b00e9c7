"""What `aiida-dismai doctor` looks at: each look gives findings, with what mends those that are not well."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import __version__
from ..calculations.monitors import free_gigabytes
from ..engine.text import visible
from .printed import CONSUMER_TIMEOUT

#: Seconds that a clock may differ, and that a question may take.
CLOCK, ANSWER = 60.0, 60
#: Free space below which a job's disk is said to be nearly full, GB.
SPACE = 10.0
#: Shortest time for which a message must be held, milliseconds: thirty days.
SHORTEST = 30 * 24 * 3600 * 1000
#: Share of the daemon's slots beyond which they are said to be few.
BUSY = 0.9


class Finding(NamedTuple):
    """One line of the doctor's table.

    Attributes:
        what: was looked at.
        state: ``ok``, ``warn``, ``wrong`` or ``skipped``.
        found: what was found, and what mends it.
    """

    what: str
    state: str
    found: str


def profile_findings(profile: Any) -> Iterator[Finding]:
    """Yield storage and broker of a profile."""
    storage = profile.storage_backend
    if storage == "core.psql_dos":
        yield Finding("profile", "ok", f"{profile.name}: {storage}")
    else:
        text = f"{profile.name}: {storage}; for thousands of jobs take PostgreSQL (`aiida-dismai setup profile`)"
        yield Finding("profile", "warn", text)
    yield from broker_findings(profile)


def broker_findings(profile: Any) -> Iterator[Finding]:
    """Yield whether the broker answers, and how long it lets a message be held."""
    name = profile.process_control_backend
    if name is None:
        text = "none: only `launch --run` works; `verdi profile configure-broker core.zeromq` needs no service"
        yield Finding("broker", "wrong", text)
        return
    from aiida.manage import get_manager

    try:
        communicator = get_manager().get_communicator()
    except Exception as error:  # brokers raise what they like
        text = f"{name} does not answer ({visible(error, 160)}); start it, or `verdi profile configure-broker {name}`"
        yield Finding("broker", "wrong", text)
        return
    if name != "core.rabbitmq":
        yield Finding("broker", "ok", name)
        return
    version = _text(communicator.server_properties.get("version", "?"))
    yield Finding("broker", "ok", f"RabbitMQ {version}")
    yield timeout_finding(rabbitmq_timeout())


def rabbitmq_timeout() -> str | None:
    """Return what RabbitMQ on this machine says of its ``consumer_timeout``; None where it cannot be asked."""
    command = ["rabbitmqctl", "--quiet", "eval", "application:get_env(rabbit, consumer_timeout)."]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def timeout_finding(answer: str | None) -> Finding:
    """Return what is to be done about an answer of :func:`rabbitmq_timeout`."""
    what = "consumer_timeout"
    mend = f"`consumer_timeout = {CONSUMER_TIMEOUT}` in rabbitmq.conf, then restart it"
    if answer is None:
        text = f"RabbitMQ cannot be asked from here; by default a process of more than 30 minutes is lost: {mend}"
        return Finding(what, "warn", text)
    if answer in ("undefined", "{ok,undefined}"):
        return Finding(what, "ok", "none")
    digits = "".join(letter for letter in answer if letter.isdigit())
    if not digits or int(digits) < SHORTEST:
        minutes = f"{int(digits) / 60_000:g} minutes" if digits else visible(answer, 60)
        return Finding(what, "wrong", f"{minutes}: processes that take longer run twice or are lost; {mend}")
    return Finding(what, "ok", f"{int(digits) / 86_400_000:.0f} days")


def daemon_findings(profile: Any) -> Iterator[Finding]:
    """Yield whether the daemon runs, how many of its slots are taken, and what makes no progress."""
    from .stuck import RECIPE, daemon_runs
    from .watching import active_processes, idle_for

    if profile.process_control_backend is None:
        return
    if not daemon_runs():
        yield Finding("daemon", "wrong", "not running; `verdi daemon start 4`")
        return
    from aiida.engine.daemon.client import get_daemon_client
    from aiida.manage import get_config_option

    workers = len(get_daemon_client(profile.name).get_worker_info().get("info") or {})
    slots = workers * int(get_config_option("daemon.worker_process_slots"))
    active = active_processes()
    text = f"{workers} workers, {len(active)} of {slots} slots taken"
    if workers == 0:
        yield Finding("daemon", "wrong", f"{text}; `verdi daemon restart`, then look at `verdi daemon logshow`")
    elif len(active) > BUSY * slots:
        text += "; WorkChains that wait hold them: `verdi daemon incr 2`, or raise daemon.worker_process_slots"
        yield Finding("daemon", "warn", text)
    else:
        yield Finding("daemon", "ok", text)
    idle = idle_for(active)
    if idle is not None:
        text = f"no process has changed for {idle / 60:.0f} minutes; if nothing waits for a queue: `{RECIPE}`"
        yield Finding("progress", "warn", text)


def computer_findings(computer: Any) -> Iterator[Finding]:
    """Yield whether a computer is reached, and its clock and its disk."""
    from aiida.common.exceptions import AiidaException

    what = f"computer {computer.label}"
    try:
        work = computer.get_workdir()
        with computer.get_transport() as transport:
            user = transport.whoami()
            folder = shlex.quote(work.format(username=user))
            before = time.time()
            clock, seconds, _ = transport.exec_command_wait("date +%s")
            after = time.time()
            command = f"mkdir -p {folder} && test -w {folder} && df -Pk {folder}"
            disk, table, error = transport.exec_command_wait(command)
    except (AiidaException, OSError, KeyError) as problem:
        text = f"not reached ({visible(problem, 160)}); `verdi computer test {computer.label}`"
        yield Finding(what, "wrong", text)
        return
    yield Finding(what, "ok", f"{computer.scheduler_type} over {computer.transport_type}, as {user}")
    if clock == 0 and seconds.strip().isdigit():
        yield clock_finding(what, int(seconds) - (before + after) / 2)
    if disk != 0:
        text = f"{work} cannot be written to ({visible(error.strip(), 120)}); `verdi computer duplicate` with another"
        yield Finding(f"{what}, disk", "wrong", text)
        return
    yield disk_finding(f"{what}, disk", table, work)


def clock_finding(what: str, offset: float) -> Finding:
    """Return whether a clock differs too much, seconds."""
    if abs(offset) <= CLOCK:
        return Finding(f"{what}, clock", "ok", "the same as here")
    text = f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine: set both by NTP (`timedatectl`)"
    return Finding(f"{what}, clock", "warn", text)


def disk_finding(what: str, table: str, folder: str) -> Finding:
    """Return whether a disk is nearly full, from what `df -Pk` prints."""
    free = free_gigabytes(table)
    if free is None:
        return Finding(what, "warn", f"`df` says nothing of {folder}")
    if free < SPACE:
        text = f"{free:.1f} GB free in {folder}: `verdi calcjob cleanworkdir`, or another work directory"
        return Finding(what, "warn", text)
    return Finding(what, "ok", f"{free:.0f} GB free")


def code_finding(code: Any, dismai: bool) -> Finding:
    """Return whether the executable of a code is there, and of a version that fits to this one."""
    from aiida.common.exceptions import AiidaException

    what, path = f"code {code.full_label}", str(code.get_executable())
    words = [*code.get_prepend_cmdline_params(), path]
    lines = f"test -x {shlex.quote(path)} || exit 127" if len(words) == 1 else "true"
    if dismai:
        lines += f"; {code.prepend_text}\n{shlex.join(words)} --version"
    try:
        with code.computer.get_transport() as transport:
            command = f"timeout {ANSWER} bash -l -c {shlex.quote(lines)}"
            status, output, error = transport.exec_command_wait(command)
    except (AiidaException, OSError) as problem:
        return Finding(what, "wrong", f"its computer is not reached ({visible(problem, 120)})")
    if status == 127:
        return Finding(what, "wrong", f"{path} is not there; make the code again: `aiida-dismai setup code`")
    if status != 0:
        last = visible((error.strip() or output.strip()).rpartition("\n")[2], 160)
        return Finding(what, "wrong", f"{path} does not run ({last}); a `module load` that is missing in --prepend?")
    if dismai:
        return version_finding(what, output)
    from ..dft import engine_of_plugin

    engine = engine_of_plugin(code.default_calc_job_plugin or "")
    return Finding(what, "ok", f"{engine.title}: {path}" if engine else path)


def version_finding(what: str, output: str) -> Finding:
    """Return whether two versions fit: the first two numbers decide what tasks know."""
    words = output.split()
    there = words[-1] if words else "?"
    if there.split(".")[:2] != __version__.split(".")[:2]:
        return Finding(
            what, "wrong", f"version {visible(there, 30)}, here it is {__version__}: install the same on both"
        )
    return Finding(what, "ok", f"version {there}")


def job_finding(node: Any, gpus: int) -> Finding:
    """Return what a job of the task ``check`` found, or why it did not come back."""
    from ..workchains.reasons import reason_of

    what = f"job on {node.computer.label}"
    if not node.is_terminated:
        state = node.get_scheduler_state()
        waits = f"is {state.value}" if state else "is not in the queue yet"
        text = f"<{node.pk}> {waits}; `aiida-dismai status {node.pk}` later, or `verdi process kill {node.pk}`"
        return Finding(what, "warn", text)
    if not node.is_finished_ok:
        text = f"<{node.pk}> [{node.exit_status}] {reason_of(node)}; `verdi process report {node.pk}`"
        return Finding(what, "wrong", text)
    found = node.outputs.results.get_dict()
    seen = found.get("gpus") or []
    text = f"{found['cores']} cores, {found['free_disk_gb']:.0f} GB free, "
    text += ", ".join(visible(name, 60) for name in seen) if seen else "no GPU seen"
    if not found.get("torch", True):
        return Finding(what, "wrong", f"{text}; torch is not installed: `pip install 'aiida-dismai[engine]'` there")
    if gpus and not seen:
        granted = found.get("visible_gpus")
        reason = f"the scheduler granted {visible(granted, 40)}, torch has no CUDA there" if granted else "none granted"
        return Finding(
            what, "wrong", f"{text}, though {gpus} asked for: {reason}; install torch with CUDA, or see --queue"
        )
    return Finding(what, "ok", text)


def _text(value: Any) -> str:
    return visible(value.decode(errors="replace") if isinstance(value, bytes) else value, 40)
