"""The command ``dismai metrics``: the metrics without AiiDA, from files to ``results.json``."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .. import compiling
from ..descriptors.chemistry import composition_of
from ..errors import BadInput
from ..families.option import FamilyName
from ..families.oxidation import OPTION, covered, guess_states, ions, parse_states, written
from ..families.registry import find, table_model
from ..files import make_own_folder, open_own, write_json
from ..page import command_line, require_writer, write_page
from ..parameters import Parameters
from ..runner import run_task
from ..small.catalogue import SmallSet, of_path
from ..small.option import StructuresPath
from ..structures import StructureSet, load_structures
from ..task import RESULTS
from ..untrusted import read_object
from .reference import is_reference

#: Options of the commands that compare structures with a data set.
reference_option = click.option(
    "--reference",
    required=True,
    type=StructuresPath("train"),
    help="Training structures; a file of `dismai metrics --write-reference`; a folder of the authors' csv files; or "
    "small:NAME, one of the sets of `dismai small list`.",
)
validation_option = click.option(
    "--validation",
    type=StructuresPath("validation", dir_okay=False),
    help="Validation structures: shown beside the noise floor. Those of small:NAME come with it.",
)


@click.command()
@click.argument("kind", type=FamilyName())
@click.option(
    "--generated",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Generated structures (extxyz, npz, anything ASE reads), post-processed and relaxed.",
)
@reference_option
@validation_option
@click.option(
    "--generated-total", type=int, help="Number of structures generated originally; the failed share refers to it."
)
@click.option(
    "--align",
    type=click.Choice(("none", "translate", "rotate", "auto")),
    help="How alloys are aligned with the lattice (default: auto, whichever keeps the most atoms).",
)
@click.option(
    "--oxidation-states",
    metavar="Ca=2,O=-2",
    help="Oxidation states of all elements of interfaces; default: those of --parameters, of the paper, or a guess, "
    "which is printed.",
)
@click.option("--workers", default="1", metavar="N|auto", show_default=True, help="Processes; auto: one a core.")
@click.option("--compat", is_flag=True, help="Reproduce the authors' numbers also where their scripts are peculiar.")
@click.option(
    "--parameters",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON with further parameters, as `dismai schema metrics` names them.",
)
@click.option(
    "--write-reference",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the records of the training set here (npz), for later use as --reference.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("results.json"),
    show_default=True,
    help="Results file (JSON); the numbers of every structure are written next to it as npz.",
)
@click.option("--report", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write a web page.")
def metrics(
    kind: str,
    generated: Path,
    reference: Path,
    validation: Path | None,
    generated_total: int | None,
    align: str | None,
    oxidation_states: str | None,
    workers: str,
    compat: bool,
    parameters: Path | None,
    write_reference: Path | None,
    output: Path,
    page: Path | None,
) -> None:
    """Compare generated with training structures, without AiiDA.

    What is finished is kept in a folder beside OUTPUT until all is done: killed, the same command resumes where it was.
    """
    small = of_small(kind, reference)
    table = table_model(find(kind))
    values = read_parameters(parameters) | {"kind": kind, "workers": int(workers) if workers.isdecimal() else workers}
    if small is not None:
        validation = validation or small.path("validation")
        values[kind] = {**small.metrics.get(kind, {}), **dict(values.get(kind) or {})}
    if compat:
        values["compat"] = True
    if generated_total is not None:
        values["generated_total"] = generated_total
    if align is not None:
        if "align" not in table.model_fields:
            raise BadInput(f"--align: structures of the kind '{kind}' are not aligned with a lattice")
        values[kind] = dict(values.get(kind) or {}) | {"align": align}
    if page is not None:
        require_writer()
    _check_targets(output, write_reference, [generated, reference, validation, parameters], page)
    if "oxidation_states" in table.model_fields:
        values[kind] = complete_ions(table, dict(values.get(kind) or {}), oxidation_states, reference, generated)
    elif oxidation_states is not None:
        raise BadInput(f"{OPTION}: the metrics of the kind '{kind}' do not use oxidation states")
    inputs = {"structures": generated, "reference": reference} | ({"validation": validation} if validation else {})
    status = _run(values, inputs, output, write_reference)
    if status == 0 and page is not None:
        _write_page(page, values, inputs, output)
    sys.exit(status)


def of_small(kind: str, reference: Path) -> SmallSet | None:
    """Return the small data set that the reference is, None if it is a file of the user's.

    Raises:
        BadInput: the data set is of another family.
    """
    chosen = of_path(reference)
    if chosen is not None and chosen.kind != kind:
        raise BadInput(f"--reference small:{chosen.name}: is of the kind '{chosen.kind}', not '{kind}'")
    return chosen


def complete_ions(
    model: type[Parameters], table: dict[str, Any], given: str | None, reference: Path, generated: Path
) -> dict[str, Any]:
    """Return the family's table of parameters, completed by the option or a guess where they do not name them.

    The guess is from the first training structure; where the reference holds none (a file of an earlier run, csv
    files), from the first generated one if it is not of the paper's elements.

    Raises:
        BadInput: an option that cannot be read, or states that cannot be guessed.
    """
    from ase.data import chemical_symbols

    if "oxidation_states" in table:
        return table
    if reference.is_dir() and given is None:
        return table  # csv files: the authors'
    first = _first_structure(reference)
    first = _first_structure(generated) if first is None else first
    if first is None and given is None:
        return table
    present = [] if first is None else [chemical_symbols[number] for number in dict.fromkeys(first.numbers.tolist())]
    if given is not None:
        states: dict[str, int] = parse_states(given)
        present = present or list(states)
        if missing := [symbol for symbol in present if symbol not in states]:
            raise BadInput(f"{OPTION} {given}: none of {', '.join(missing)}; give those of all elements")
    elif first is None or covered(model, present):
        return table
    else:
        states = guess_states([composition_of(first)])
        click.echo(f"oxidation states guessed: {written(states)} (others: {OPTION})", err=True)
    return {**ions(states, present), **table}


def _first_structure(path: Path) -> StructureSet | None:
    """Return the first structure of a file, None where it holds records and no structures; errors are the task's."""
    from ..structures import StructureStream

    try:
        return next(iter(StructureStream(path, properties=()).blocks(1)), None)
    except (BadInput, OSError):
        return None


def read_parameters(path: Path | None) -> dict[str, Any]:
    """Return the parameters in a JSON file; none without a file."""
    if path is None:
        return {}
    return read_object(path)


def _check_targets(
    output: Path, write_reference: Path | None, inputs: list[Path | None], page: Path | None = None
) -> None:
    """Refuse to write over an input, or into a folder that is not there."""
    arrays = output.with_suffix(".npz")
    targets = [output, arrays, *([write_reference] if write_reference else []), *([page] if page else [])]
    if output.suffix == ".npz":
        raise BadInput(f"--output {output}: give it the ending json; the arrays are written beside it as npz")
    if write_reference is not None and write_reference.suffix != ".npz":
        raise BadInput(f"--write-reference {write_reference}: give it the ending npz")
    if len({target.resolve() for target in targets}) < len(targets):
        raise BadInput(f"two outputs are to be one file: {', '.join(map(str, targets))}; give each its own")
    taken = {path.resolve() for path in inputs if path is not None}
    for target in targets:
        if target.resolve() in taken:
            raise BadInput(f"{target}: is an input and would be overwritten; choose another --output")
        if not target.resolve().parent.is_dir():
            raise BadInput(f"{target}: there is no folder {target.resolve().parent}")


def _write_page(page: Path, values: Mapping[str, Any], inputs: Mapping[str, Path], output: Path) -> None:
    """Write the page; structures that are no file of structures (records, csv files) are not shown."""
    reference = inputs["reference"]
    write_page(
        page,
        title=f"Metrics of {inputs['structures'].name}",
        command=command_line(),
        results=output,
        arrays=output.with_suffix(".npz"),
        tasks=[{"name": "metrics", "task": "metrics", "parameters": dict(values), "done": "measured", "folder": None}],
        generated=None,
        measured=load_structures(inputs["structures"]),
        training=load_structures(reference) if reference.is_file() and not is_reference(reference) else None,
        files={"generated": inputs["structures"], **{n: path for n, path in inputs.items() if n != "structures"}},
    )
    click.echo(f"wrote {page}", err=True)


def _run(values: Mapping[str, Any], inputs: Mapping[str, Path], output: Path, write_reference: Path | None) -> int:
    """Run the task in a folder beside the output and put its files in place; returns the exit status."""
    folder = output.resolve().with_name(f".{output.name}.unfinished")
    with alone_in(folder, output):
        return _run_in(folder, values, inputs, output, write_reference)


@contextmanager
def alone_in(folder: Path, output: Path) -> Iterator[None]:
    """Make the folder and keep other runs out of it: two that add to one file of records would spoil it."""
    try:
        make_own_folder(folder)
        lock = open_own(folder / "lock", "wb")
    except OSError as error:
        raise BadInput(
            f"--output {output}: cannot be written there ({error.strerror}); choose another folder"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = os.fstat(lock.fileno()).st_nlink == 0
        except BlockingIOError:
            gone = True
        if gone:
            raise BadInput(f"--output {output}: another run is writing it; wait, or choose another --output")
        yield


def _run_in(
    folder: Path, values: Mapping[str, Any], inputs: Mapping[str, Path], output: Path, write_reference: Path | None
) -> int:
    content = {
        "task": "metrics",
        "parameters": dict(values),
        "inputs": {name: str(path.resolve()) for name, path in inputs.items()},
    }
    write_json(folder / "task.json", content)
    status = run_task(folder / "task.json", lambda line: click.echo(line, err=True), _Watch())
    if status == 0:
        os.replace(folder / "per_structure.npz", output.with_suffix(".npz"))
        if write_reference is not None:
            shutil.move(folder / "reference.npz", write_reference)
        results = read_object(folder / RESULTS)
        os.replace(folder / RESULTS, output)
        shutil.rmtree(folder)
        for line in table(results):
            click.echo(line)
    elif not any((folder / "checkpoint").glob("*")):
        shutil.rmtree(folder)
    return status


class _Watch:
    """One line on a terminal that says how far it is; nothing where the output is a file."""

    def __call__(self, line: Mapping[str, Any]) -> None:
        if line["stage"] == compiling.STAGE:
            click.echo(compiling.MESSAGE, err=True)
        elif sys.stderr.isatty():
            end = "\n" if line["done"] == line["total"] else ""
            click.echo(f"\r{line['stage']}: {line['done']} of {line['total']} structures{end}", nl=False, err=True)


def table(results: Mapping[str, Any]) -> list[str]:
    """Return the results as lines for a terminal: each metric with interval and noise floor."""
    lines = [f"{'metric':<18}{'value':>10}{'interval':>24}{'noise floor':>14}"]
    for name, entry in results.items():
        if not isinstance(entry, dict) or "floor" not in entry:
            continue
        interval = f"{_short(entry['lower'])} … {_short(entry['upper'])}"
        lines.append(f"{name:<18}{_short(entry['value']):>10}{interval:>24}{_short(entry['floor']):>14}")
    lines.append(
        f"{results['n_analysed']} of {results['n_generated']} generated structures analysed, against "
        f"{results['n_reference']} training structures"
    )
    if results.get("not_in_reference"):
        lines.append(f"not in the reference, and so not compared: {', '.join(results['not_in_reference'])}")
    return lines


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
