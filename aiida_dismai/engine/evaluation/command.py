"""The command ``dismai evaluate``: from what a generator leaves to metrics and a page, without AiiDA."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..errors import BadInput
from ..families.contract import FamilySpec
from ..families.option import FamilyName
from ..families.oxidation import OPTION
from ..families.registry import find, table_model
from ..gathering import Given, read_given
from ..metrics.command import (
    alone_in,
    complete_ions,
    of_small,
    read_parameters,
    reference_option,
    table,
    validation_option,
)
from ..metrics.reference import is_reference
from ..page import command_line, require_writer, write_page
from ..small.catalogue import of_path
from ..steps import Steps
from ..structures import load_structures, read_npz, write_npz
from ..structures.npz import open_arrays
from ..tasks import find_task
from ..text import visible
from ..untrusted import read_object
from .course import Task, Watch, run_task_with_estimate, tasks_of
from .listing import NO_MEASURE, listing, unreadable, write_csv
from .relaxed import write_relaxed

#: Files in the folder of an evaluation.
STRUCTURES, RESULTS, ARRAYS, LISTING, RELAXED, WORK = (
    "structures.npz",
    "results.json",
    "per_structure.npz",
    "structures.csv",
    "relaxed",
    "work",
)
#: The calculator that reads a trained potential of this project.
OWN_CALCULATOR = "m3gnet"


@click.command()
@click.argument("generated", type=click.Path(path_type=Path, exists=True))
@reference_option
@validation_option
@click.option("--kind", type=FamilyName(), help="Family of structures (default: that of small:NAME, else interface).")
@click.option(
    "--potential",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the data set's trained potential, which relaxes the structures.",
)
@click.option("--calculator", metavar="NAME", help="Relaxes the structures instead (`dismai calculators` lists them).")
@click.option("--fmax", type=click.FloatRange(min=0, min_open=True), help="Force at which a relaxation ends, eV/Å.")
@click.option("--steps", type=click.IntRange(min=0), help="Steps of a relaxation at most.")
@click.option("--as-is", is_flag=True, help="Measure them as they are: they were pushed apart and relaxed before.")
@click.option("--oxidation-states", metavar="Ca=2,O=-2", help="Oxidation states of all elements of interfaces.")
@click.option(
    "--parameters",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON with further parameters of the metrics, as `dismai schema metrics` names them.",
)
@click.option(
    "--count-unreadable",
    is_flag=True,
    help="Count structures that cannot be read as failed; without it they are named, and nothing is done.",
)
@click.option("--report", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write a web page.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the results (default: NAME.evaluation here).",
)
@click.option("--workers", default="auto", metavar="N|auto", show_default=True, help="Processes; auto: one a core.")
@click.option("--dry-run", is_flag=True, help="Begin, say how long it will take, and stop; the same command resumes.")
def evaluate(
    generated: Path,
    reference: Path,
    validation: Path | None,
    kind: str | None,
    potential: Path | None,
    calculator: str | None,
    fmax: float | None,
    steps: int | None,
    as_is: bool,
    oxidation_states: str | None,
    parameters: Path | None,
    count_unreadable: bool,
    page: Path | None,
    output: Path | None,
    workers: str,
    dry_run: bool,
) -> None:
    """Evaluate the structures in GENERATED against a data set, from files to a page.

    GENERATED is a file of structures (extxyz, CIF, POSCAR, pymatgen's JSON, ASE's .traj or .db, a CSV with a column
    `cif`, npz of this project; text also compressed), or a folder or zip archive of such files. They are pushed apart,
    relaxed and measured as in a benchmark (alloys only measured). Killed, the same command resumes where it was.
    """
    small = of_path(reference)
    kind = kind or (small.kind if small is not None else "interface")
    family = find(kind)
    if of_small(kind, reference) is not None and small is not None:
        validation = validation or small.path("validation")
    output = output or Path(f"{generated.resolve().name.split('.')[0] or 'generated'}.evaluation")
    relaxation = _relaxation(family, as_is, potential, calculator, {"fmax": fmax, "steps": steps})
    _check_places(output, page, generated)
    given = _read(generated, count_unreadable)
    values = read_parameters(parameters) | {"kind": kind, "generated_total": given.total}
    if small is not None:
        values[kind] = {**small.metrics.get(kind, {}), **dict(values.get(kind) or {})}
    if not output.resolve().parent.is_dir():
        raise BadInput(f"--output {output}: there is no folder {output.resolve().parent}")
    with alone_in(output.resolve(), output):
        stored = _store(given, output)
        own = table_model(family)
        if "oxidation_states" in own.model_fields:
            values[kind] = complete_ions(own, dict(values.get(kind) or {}), oxidation_states, reference, stored)
        elif oxidation_states is not None:
            raise BadInput(f"{OPTION}: the metrics of the kind '{kind}' do not use oxidation states")
        files = {"reference": reference} | ({"validation": validation} if validation else {})
        files |= {"potential": potential} if potential else {}
        course = tasks_of(family, output.resolve() / WORK, stored.resolve(), files, relaxation, values)
        for task in course:  # wrong parameters are said before anything takes time
            find_task(task.task).validate({**task.parameters, "workers": 1})
        if not _run(course, output, workers, dry_run):
            return
        _finish(given, course, output)
        if page is not None:
            _write_page(page, generated, reference, given, course, output)
            _say(f"wrote {page}")


def _relaxation(
    family: FamilySpec, as_is: bool, potential: Path | None, calculator: str | None, asked: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the parameters of the relaxation, None for none.

    Raises:
        BadInput: no potential where one is needed, or one where none is used.
    """
    named = [name for name, value in (("--potential", potential), ("--calculator", calculator)) if value is not None]
    named += [f"--{name}" for name, value in asked.items() if value is not None]
    if as_is or not family.relaxed:
        why = "--as-is" if as_is else f"structures of the kind '{family.name}' are measured as they were generated"
        if named:
            raise BadInput(f"{', '.join(named)}: nothing is relaxed ({why}); leave it out")
        return None
    found = {**(family.relaxation or {}), **{name: value for name, value in asked.items() if value is not None}}
    if potential is not None and calculator is not None:
        raise BadInput("--potential and --calculator: give one of them")
    if potential is not None:
        found = {**found, "calculator": OWN_CALCULATOR}
    elif calculator is not None:
        found["calculator"] = calculator
    if found.get("calculator", OWN_CALCULATOR) == OWN_CALCULATOR and potential is None:
        raise BadInput(
            f"--potential: {family.label} are relaxed with the data set's trained potential; give its folder, another "
            "calculator with --calculator, or --as-is if they were relaxed before"
        )
    return found


def _check_places(output: Path, page: Path | None, generated: Path) -> None:
    inside = generated.resolve()
    if page is not None:
        require_writer()
        if not page.resolve().parent.is_dir():
            raise BadInput(f"--report {page}: there is no folder {page.resolve().parent}")
        if page.resolve() == inside:
            raise BadInput(f"--report {page}: is the file of the structures; choose another")
    if output.resolve() == inside or output.resolve().is_relative_to(inside):
        raise BadInput(f"--output {output}: is inside of {generated}, which would then hold it; choose another folder")
    if output.exists() and any(output.iterdir()) and not (output / STRUCTURES).is_file():
        raise BadInput(f"--output {output}: is a folder with other files; choose another")


def _read(generated: Path, count_unreadable: bool) -> Given:
    """Read the structures; say what is ignored, and refuse (or count) what cannot be read."""
    given = read_given(generated, count_unreadable, _say)
    _say(f"{len(given.structures)} structures in {len(set(given.files))} file(s)")
    return given


def _store(given: Given, output: Path) -> Path:
    """Write the structures that are evaluated into the folder; those of an earlier run must be the same."""
    path = output / STRUCTURES
    if path.is_file() and read_npz(path).content_hash != given.structures.content_hash:
        raise BadInput(f"--output {output}: holds the evaluation of other structures; choose another folder")
    if not path.is_file():
        write_npz(given.structures, path)
    return path


def _run(course: list[Task], output: Path, workers: str, dry_run: bool) -> bool:
    if not (workers == "auto" or (workers.isdecimal() and int(workers) > 0)):
        raise BadInput(f"--workers {workers}: a number of processes, or auto")
    number = len(os.sched_getaffinity(0)) if workers == "auto" else int(workers)
    terminal = sys.stderr.isatty()
    watch = Watch(lambda line, over: _say(line, over=over), terminal)
    steps = Steps(output.resolve() / WORK, number, lambda line: _say(line), watch)
    return all(run_task_with_estimate(steps, task, watch, _say, dry_run) for task in course)


def _finish(given: Given, course: list[Task], output: Path) -> None:
    """Put results, the list of structures and the relaxed ones into the folder, and print the metrics."""
    work = output / WORK
    for name, target in (("results.json", RESULTS), ("per_structure.npz", ARRAYS)):
        shutil.copyfile(work / "metrics" / name, output / target)
    write_csv(rows_of(given, output), output / LISTING)
    if any(task.name == "relax" for task in course):
        write_relaxed(read_npz(work / "relax" / "structures.npz"), output / RELAXED)
    for line in table(read_object(output / RESULTS)):
        click.echo(line)
    _say(f"every structure: {output / LISTING}")


def rows_of(given: Given, output: Path) -> list[dict[str, Any]]:
    """Return the rows of the list of structures, those that could not be read at the end."""
    work = output / WORK
    relaxed = work / "relax" / "structures.npz"
    pushed = work / "postprocess" / "results.json"
    with open_arrays(output / ARRAYS, "the measures of an evaluation") as archive:
        arrays = {name: archive.read(name) for name in archive.names() if not name.startswith(NO_MEASURE)}
    rows = listing(
        given.structures,
        read_object(output / RESULTS),
        arrays,
        read_npz(relaxed) if relaxed.is_file() else None,
        read_object(pushed).get("failed_indices") or () if pushed.is_file() else (),
    )
    return [*rows, *unread_rows(given)]


def unread_rows(given: Given) -> list[dict[str, Any]]:
    """Return the rows of the structures that could not be read."""
    return [unreadable(refusal.file, refusal.frame, refusal.reason) for refusal in given.refused]


def _write_page(page: Path, generated: Path, reference: Path, given: Given, course: list[Task], output: Path) -> None:
    training = reference.is_file() and not is_reference(reference)
    files = {"generated": generated}
    for task in course:
        files |= {name: path for name, path in task.inputs.items() if name != "structures"}
    write_page(
        page,
        title=f"Evaluation of {generated.name}",
        command=command_line(),
        results=output / RESULTS,
        arrays=output / ARRAYS,
        tasks=[{**asdict(task), "folder": str(output / WORK / task.name)} for task in course],
        generated=given.structures,
        unread=unread_rows(given),
        measured=load_structures(course[-1].inputs["structures"]),
        training=load_structures(reference) if training else None,
        files=files,
    )


def _say(line: str, over: bool = False) -> None:
    """Print a line on stderr; one that is overwritten by the next leaves no line behind."""
    text = visible(line, 4000)
    if sys.stderr.isatty():
        text = f"\r\x1b[K{text}"
    click.echo(text, err=True, nl=not over)
