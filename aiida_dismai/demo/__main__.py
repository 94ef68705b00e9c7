"""``python -m aiida_dismai.demo``: from nothing to the report in one command; see :mod:`aiida_dismai.demo`."""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import profile

SEED = 2024
MODEL = "cryingan"
#: Extra of the process by which a later run finds it.
EXTRA = "dismai_demo"


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def fingerprint(inputs: dict[str, Any]) -> str:
    """Return what tells one demo from another: the plain inputs of all its parts."""
    from .. import __version__

    text = json.dumps([__version__, SEED, MODEL, inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def demo_key() -> str:
    """Return the fingerprint of today's demo protocol."""
    from ..dft import find
    from ..workchains import benchmark, dataset_interface, evaluate, generator, label, pipeline, potential, relax

    parts = (
        benchmark.BenchmarkWorkChain,
        dataset_interface.InterfaceDatasetWorkChain,
        evaluate.EvaluateWorkChain,
        generator.GeneratorWorkChain,
        label.LabelWorkChain,
        pipeline.PipelineWorkChain,
        potential.PotentialWorkChain,
        relax.RelaxWorkChain,
    )
    inputs = {part.__name__: part.get_protocol_inputs("demo") for part in parts}
    inputs["label"] = label.LabelWorkChain.get_protocol_inputs("demo", engine=find("vasp"))
    return fingerprint(inputs)


def find_earlier(key: str) -> Any:
    """Return the process of an earlier run that has finished or still runs; None where there is none."""
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(ProcessNode, filters={f"extras.{EXTRA}": key}, tag="process")
    query.order_by({"process": {"id": "desc"}})
    for node in query.all(flat=True):
        if node.is_finished_ok:
            say(f"the pipeline<{node.pk}> of an earlier run finished successfully: its results are written again")
            return node
        if not node.is_terminated:
            say(f"resuming the pipeline<{node.pk}> of an earlier run")
            return node
    return None


def make_builder() -> Any:
    """Return the inputs of the pipeline from two bulk crystals; jobs of an earlier run come from the cache."""
    from aiida.orm import load_code

    from ..data.structures import set_to_structure_data
    from ..engine.interfaces.crystals import li3sccl6, licoo2
    from ..workchains.pipeline import PipelineWorkChain

    crystals = {}
    for name, crystal in (("LiCoO2", licoo2()), ("Li3ScCl6", li3sccl6())):
        crystals[name] = set_to_structure_data(crystal)[0]
        crystals[name].label = f"{name}, bulk crystal"
    builder = PipelineWorkChain.get_builder_from_protocol(
        load_code(profile.DISMAI),
        crystals["LiCoO2"],
        crystals["Li3ScCl6"],
        MODEL,
        SEED,
        dft_code=load_code(profile.VASP),
        protocol="demo",
    )
    builder["metadata"]["label"] = "demo"
    builder["metadata"]["description"] = (
        "LiCoO2 and Li3ScCl6 crystals → interfaces → data set → CryinGAN → metrics, small"
    )
    return builder


def run_pipeline(key: str, make: Callable[[], Any], target: str, started: float) -> tuple[Any, int]:
    """Bring a pipeline to its end: that of an earlier run, or a new one.

    Args:
        key: by which a later run finds it.
        make: gives the inputs of a new one.
        target: of the Makefile, to be named where it is interrupted.
        started: ``time.monotonic()`` of the begin.

    Returns:
        The process, and the exit code of the command: 1 where the process failed, 130 where it was interrupted.
    """
    from aiida.engine import submit

    from .watch import follow

    node = find_earlier(key)
    if node is None or not node.is_terminated:
        profile.start_daemon()  # before a submission: the broker of this profile lives in it
        try:
            if node is None:
                node = submit(make())
                node.base.extras.set(EXTRA, key)
            say(f"the pipeline<{node.pk}> runs; from another terminal:")
            say(f"    {profile.prefix()}aiida-dismai -p {profile.PROFILE} status {node.pk} --watch")
            follow(node, say, started)
        except KeyboardInterrupt:
            say(f"interrupted: the next `make {target}` resumes from here")
            return node, 130
        finally:
            profile.stop_daemon()
    if node.is_finished_ok:
        return node, 0
    say(f"the pipeline<{node.pk}> ended with {node.exit_status}: {node.exit_message}")
    say(f"look at it with: {profile.prefix()}verdi -p {profile.PROFILE} process report {node.pk}")
    return node, 1


def main() -> int:
    """Run the demo, or with ``--stop`` only stop its daemon, or with ``--setup-only`` only make its profile."""
    parser = argparse.ArgumentParser(prog="python -m aiida_dismai.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where the results go (default: demo)")
    parser.add_argument("--setup-only", action="store_true", help="make the profile, the codes and the potentials only")
    parser.add_argument("--stop", action="store_true", help="stop the daemon of an interrupted run")
    arguments = parser.parse_args()

    started = time.monotonic()
    own = profile.own_folder()
    profile.use_own_configuration(own)
    if arguments.stop:
        if (own / ".aiida").is_dir() and profile.exists():
            profile.load()
            profile.stop_daemon()
        return 0
    made = profile.make_profile()
    profile.load()
    profile.configure()
    where = f"{own / '.aiida'} ({'made' if made else 'there'})"
    say(f"profile '{profile.PROFILE}' in {where}: SQLite, ZeroMQ, no service")
    say("CHGNet stands in for VASP: the energies of this demo are NOT density-functional theory")
    if arguments.setup_only:
        say(f"codes {profile.DISMAI}, {profile.VASP}; POTCAR family {profile.POTCAR_FAMILY}")
        say(f"use it with: export AIIDA_PATH={shlex.quote(str(own))}")
        return 0

    from .results import write_results

    node, code = run_pipeline(demo_key(), make_builder, "demo", started)
    if code:
        return code
    problems = write_results(node, arguments.folder, say)
    for problem in problems:
        say(f"! {problem}")
    say(f"done in {time.monotonic() - started:.0f} s")
    say(
        "Smaller than in the paper: a handful of DFT-like relaxations of a few steps with CHGNet in place of VASP, a "
        "small potential, loose relaxations, twelve structures and a minute of training: it shows the workflow; "
        "its numbers have no physical meaning."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
