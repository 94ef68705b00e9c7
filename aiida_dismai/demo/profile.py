"""A profile that needs no service and touches nothing of the user's: SQLite and ZeroMQ, inside the project."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

PROFILE = "dismai-demo"
POTCAR_FAMILY = "dismai-standin"
#: Atomic number of the last element that has a POTCAR, that of CHGNet.
HEAVIEST = 94
DISMAI, VASP = "dismai@localhost", "vasp-standin@localhost"
#: What a second run takes from the first.
CACHED = ["aiida.calculations:dismai.*", "aiida.calculations:vasp.vasp", "aiida.calculations:quantumespresso.pw"]


def own_folder() -> Path:
    """Return where the demo's configuration goes: the first folder of ``AIIDA_PATH``, else the current one."""
    first = next((part for part in os.environ.get("AIIDA_PATH", "").split(os.pathsep) if part.strip()), None)
    folder = Path.cwd() if first is None else Path(first).expanduser().resolve()
    return folder.parent if folder.name == ".aiida" else folder


def use_own_configuration(folder: Path) -> None:
    """Point AiiDA at ``folder/.aiida``; to be called before anything of AiiDA is imported.

    Raises:
        RuntimeError: AiiDA was imported before, and may have the user's own configuration loaded.
    """
    if "aiida.manage.configuration" in sys.modules:
        raise RuntimeError("the demo must choose its own AIIDA_PATH before aiida is imported")
    os.environ["AIIDA_PATH"] = str(folder.resolve())
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # AiiDA starts its daemon by the name `verdi`, also where the environment is not activated
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def executable(name: str) -> Path:
    """Return the path of a console script of this environment."""
    return Path(sys.executable).parent / name


def prefix() -> str:
    """Return what stands before a command that is to find this configuration and this environment in any shell."""
    folder, scripts = os.environ["AIIDA_PATH"], Path(sys.executable).parent
    return f"AIIDA_PATH={shlex.quote(folder)} {shlex.quote(str(scripts))}/"


def verdi(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``verdi`` of this environment on the demo's profile."""
    command = [str(executable("verdi")), *arguments]
    return subprocess.run(command, check=check, capture_output=True, text=True)


def exists() -> bool:
    """Whether the profile was made before."""
    from aiida.manage.configuration import get_config

    return PROFILE in get_config(create=True).profile_names


def make_profile() -> bool:
    """Make the profile if it is not there; return whether it was made.

    Where there were profiles before, the default stays what it was: ``verdi presto`` makes its own the default.
    """
    from aiida.manage.configuration import get_config

    if exists():
        return False
    default = get_config().default_profile_name
    verdi("presto", "--non-interactive", "--profile-name", PROFILE, "--use-zeromq")
    if default is not None:
        verdi("profile", "set-default", default)
    return True


def load() -> Any:
    """Load the demo's profile and return it."""
    from aiida import load_profile
    from aiida.manage.configuration import reset_config

    reset_config()  # `verdi presto` wrote the configuration in another process
    return load_profile(PROFILE)


def configure() -> None:
    """Make computer, codes and potentials ready; what is there already stays."""
    from aiida.manage.configuration import get_config
    from aiida.orm import load_computer

    config = get_config()
    config.set_option("caching.enabled_for", CACHED, scope=PROFILE)
    config.set_option("warnings.showdeprecations", False, scope=PROFILE)
    config.store()
    computer = load_computer("localhost")
    computer.set_minimum_job_poll_interval(0.5)
    computer.configure(safe_interval=0.0, use_login_shell=False)
    _code(DISMAI, executable("dismai"), "the engine of aiida-dismai", "dismai.relax", "")
    _code(
        VASP,
        executable("dismai-vasp-standin"),
        "stand-in for VASP with CHGNet: not DFT",
        "vasp.vasp",
        "export DISMAI_STANDIN_CALCULATOR=chgnet OMP_NUM_THREADS=2",  # one at a time, for its memory
    )
    _potcars()


def _code(full_label: str, path: Path, description: str, plugin: str, prepend: str) -> None:
    from ..cli.setup import make_code

    label, computer = full_label.split("@")
    make_code(computer, str(path), label, plugin, prepend, description)


def potcar_symbols() -> tuple[str, ...]:
    """Return the potentials of the family: those of the benchmark, and one by the name of every element."""
    from ase.data import chemical_symbols

    from ..standin.potcars import POTCAR_SYMBOLS

    return tuple(dict.fromkeys([*POTCAR_SYMBOLS, *chemical_symbols[1 : HEAVIEST + 1]]))


def _potcars() -> None:
    """Upload the stand-in POTCAR headers that are not there yet, which hold no potential."""
    import tempfile

    from aiida_vasp.data.potcar import PotcarData

    from ..standin.potcars import write_potcar_family

    group = PotcarData.get_potcar_group(POTCAR_FAMILY)
    there = set() if group is None else {node.symbol for node in group.nodes}
    missing = [symbol for symbol in potcar_symbols() if symbol not in there]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        write_potcar_family(folder, missing)
        PotcarData.upload_potcar_family(
            folder,
            POTCAR_FAMILY,
            "Headers without potential data, for the VASP stand-in of aiida-dismai: not DFT",
            stop_if_existing=False,
        )


def start_daemon() -> None:
    """Start the daemon with one worker, unless it runs, and wake what an interrupted one has left behind.

    A daemon that is stopped between the submission of a process and its task in the queue leaves the process
    waiting for ever; this is what ``verdi process repair`` mends for a broker that runs by itself.
    """
    from aiida.engine.daemon.client import get_daemon_client
    from aiida.engine.processes.control import get_active_processes, get_process_tasks, revive_processes
    from aiida.manage import get_manager

    client = get_daemon_client(PROFILE)
    if client.is_daemon_running:
        return
    broker = get_manager().get_broker()
    queued = set(get_process_tasks(broker)) if broker is not None else set()
    lost = [node for node in get_active_processes() if node.pk not in queued]
    client.start_daemon(number_workers=1, timeout=60)
    if lost:
        revive_processes(lost)


def stop_daemon() -> None:
    """Stop the daemon and wait for it (two seconds, AiiDA's default, are short for a loaded machine)."""
    from aiida.engine.daemon.client import get_daemon_client

    client = get_daemon_client(PROFILE)
    if client.is_daemon_running:
        client.stop_daemon(wait=True, timeout=60)
