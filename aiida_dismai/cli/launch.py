"""`aiida-dismai launch`: one command for each workflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..engine.families.option import FamilyName
from .earlier import evaluated_by, find_potential, find_split, kind_of_set
from .inputs import crystal_input, expansion_input, reference_input, structures_input
from .launch_compare import compare
from .launch_study import study
from .launching import dft_launch_options, dismai_code, launch_options, start
from .profiles import load_code, load_profile

STRUCTURES_HELP = "A structure set (PK, UUID, label), a process that made one, or a file (extxyz, npz)."
DATASET_HELP = "A process with a data set (of an alloy's PK:T300_wide), or small:NAME (`dismai small list`)."
CRYSTAL_HELP = "a StructureData (PK, UUID, label), a `bulk` process that gave one, or a file (cif, POSCAR, …)."

seed_option = click.option(
    "--seed", type=click.IntRange(min=0), required=True, help="Random seed; the same seed gives the same result."
)
model_option = click.option("--model", required=True, help="Generative model; `dismai generators` lists them.")
kind_option = click.option(
    "--kind",
    type=FamilyName(),
    help="Family of structures (`dismai families` lists them); without it that of the data set or the overrides, else "
    "interface.",
)
states_option = click.option(
    "--oxidation-states",
    metavar="Ca=2,O=-2",
    help="Of all elements, for the metrics of interfaces; without it, those of the overrides, the paper's, or a guess.",
)
potential_option = click.option("--potential", metavar="NODE", help="A trained potential, or a process that gave one.")


def crystal_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the two bulk crystals."""
    upper = click.option(
        "--slab-b", required=True, metavar="NODE|FILE", help=f"Crystal of the upper slab: {CRYSTAL_HELP}"
    )
    lower = click.option(
        "--slab-a", required=True, metavar="NODE|FILE", help=f"Crystal of the lower slab: {CRYSTAL_HELP}"
    )
    return lower(upper(function))


def dft_code_option(required: bool) -> Callable[..., Any]:
    """Return the option of the DFT code."""
    text = "Code for density-functional theory; its plugin says which one it is."
    return click.option("--dft-code", required=required, metavar="CODE", help=text)


def states_of(text: str | None) -> dict[str, int] | None:
    """Return the oxidation states of the option, None without it."""
    if text is None:
        return None
    from ..engine.families.oxidation import parse_states

    return parse_states(text)


@click.group()
def launch() -> None:
    """Launch a workflow (one command for each)."""


@launch.command()
@click.option("--structures", required=True, metavar="NODE|FILE", help=STRUCTURES_HELP)
@dft_code_option(required=True)
@dft_launch_options
def label(how: dict[str, Any], structures: str, dft_code: str) -> None:
    """Relax structures with density-functional theory and collect all ionic steps."""
    load_profile()
    start("dismai.label", how, code=load_code(dft_code), structures=structures_input(structures, "structures"))


@launch.command()
@click.option("--crystal", required=True, metavar="NODE|FILE", help=f"The bulk crystal: {CRYSTAL_HELP}")
@dft_code_option(required=True)
@dft_launch_options
def bulk(how: dict[str, Any], crystal: str, dft_code: str) -> None:
    """Relax a bulk crystal with DFT: cell, volume and ions (protocols bulk_lco, bulk_lsc)."""
    load_profile()
    start("dismai.bulk", how, code=load_code(dft_code), crystal=crystal_input(crystal, "crystal"))


@launch.command()
@click.option("--structures", required=True, metavar="NODE|FILE", help="Labelled structures. " + STRUCTURES_HELP)
@seed_option
@click.option("--check-structures", metavar="NODE|FILE", help="Structures for the check against DFT; needs --dft-code.")
@dft_code_option(required=False)
@launch_options
def potential(
    how: dict[str, Any], structures: str, seed: int, check_structures: str | None, dft_code: str | None
) -> None:
    """Train an M3GNet potential, and check it against DFT if asked."""
    if (check_structures is None) != (dft_code is None):
        raise click.UsageError("--check-structures and --dft-code go together: the check relaxes them with DFT")
    load_profile()
    start(
        "dismai.potential",
        how,
        code=dismai_code(how["code"]),
        structures=structures_input(structures, "structures"),
        seed=seed,
        dft_code=load_code(dft_code) if dft_code else None,
        check_structures=structures_input(check_structures, "check-structures") if check_structures else None,
    )


@launch.command()
@crystal_options
@seed_option
@dft_code_option(required=False)
@potential_option
@launch_options
def dataset(
    how: dict[str, Any], slab_a: str, slab_b: str, seed: int, dft_code: str | None, potential: str | None
) -> None:
    """Make a data set of disordered interfaces from two bulk crystals."""
    _need_energies(dft_code, potential)
    load_profile()
    start(
        "dismai.dataset.interface",
        how,
        code=dismai_code(how["code"]),
        slab_a=crystal_input(slab_a, "slab-a"),
        slab_b=crystal_input(slab_b, "slab-b"),
        seed=seed,
        dft_code=load_code(dft_code) if dft_code else None,
        potential=find_potential(potential),
    )


@launch.command()
@click.option(
    "--expansion", metavar="NODE|FILE", help="A cluster expansion (node, or JSON); without it Fe–Ni–Cr as in the paper."
)
@seed_option
@launch_options
def alloys(how: dict[str, Any], expansion: str | None, seed: int) -> None:
    """Make data sets of an alloy: sample a cluster expansion, choose by order, split."""
    load_profile()
    start(
        "dismai.dataset.alloy",
        how,
        code=dismai_code(how["code"]),
        seed=seed,
        expansion=expansion_input(expansion) if expansion else None,
    )


@launch.command()
@click.option(
    "--route",
    type=click.Choice(("network", "quench", "carve")),
    help="Route: bond switching, a quench from the melt, or carving out of --large-cell. Default: the protocol's, or "
    "carve if a large cell is given.",
)
@click.option(
    "--large-cell",
    metavar="NODE|FILE",
    help="Large cell to carve from: a structure set, or an extxyz, npz or LAMMPS data file.",
)
@seed_option
@potential_option
@launch_options
def amorphous(how: dict[str, Any], route: str | None, large_cell: str | None, seed: int, potential: str | None) -> None:
    """Make a data set of amorphous silicon: make, relax, measure, split."""
    load_profile()
    start(
        "dismai.dataset.amorphous",
        how,
        code=dismai_code(how["code"]),
        seed=seed,
        route=route,
        large_cell=structures_input(large_cell, "large-cell") if large_cell else None,
        potential=find_potential(potential),
    )


@launch.command()
@click.option("--structures", required=True, metavar="NODE|FILE", help="Training set. " + STRUCTURES_HELP)
@click.option("--validation", metavar="NODE|FILE", help="Validation set.")
@model_option
@click.option("--kind", type=FamilyName(), help="Family of structures, for which a protocol may have other settings.")
@seed_option
@launch_options
def generator(
    how: dict[str, Any], structures: str, validation: str | None, model: str, kind: str | None, seed: int
) -> None:
    """Train one generative model."""
    load_profile()
    start(
        "dismai.generator",
        how,
        code=dismai_code(how["code"]),
        structures=structures_input(structures, "structures"),
        validation=structures_input(validation, "validation") if validation else None,
        model=model,
        kind=kind,
        seed=seed,
    )


@launch.command()
@click.option("--structures", required=True, metavar="NODE|FILE", help="Generated structures. " + STRUCTURES_HELP)
@click.option(
    "--reference",
    required=True,
    metavar="NODE|FILE|FOLDER",
    help=f"Training set. {STRUCTURES_HELP} Or the `reference` of an earlier evaluation, or a folder of the authors' "
    "csv files.",
)
@click.option("--validation", metavar="NODE|FILE", help="Validation set, shown beside the noise floor.")
@kind_option
@states_option
@potential_option
@launch_options
def evaluate(
    how: dict[str, Any],
    structures: str,
    reference: str,
    validation: str | None,
    kind: str | None,
    oxidation_states: str | None,
    potential: str | None,
) -> None:
    """Post-process, relax and measure generated structures against a training set."""
    load_profile()
    start(
        "dismai.evaluate",
        how,
        code=dismai_code(how["code"]),
        structures=structures_input(structures, "structures"),
        reference=reference_input(reference, "reference"),
        validation=structures_input(validation, "validation") if validation else None,
        kind=kind,
        potential=find_potential(potential),
        oxidation_states=states_of(oxidation_states),
    )


@launch.command()
@click.option("--dataset", metavar="PROCESS", help=DATASET_HELP)
@click.option("--train", metavar="NODE|FILE", help="Training set, in place of --dataset.")
@click.option("--validation", metavar="NODE|FILE", help="Validation set, in place of --dataset.")
@kind_option
@states_option
@potential_option
@model_option
@seed_option
@launch_options
def benchmark(
    how: dict[str, Any],
    dataset: str | None,
    train: str | None,
    validation: str | None,
    kind: str | None,
    oxidation_states: str | None,
    potential: str | None,
    model: str,
    seed: int,
) -> None:
    """Train, sample and evaluate several models of one kind on one data set."""
    if (dataset is None) == (train is None) or (train is None) != (validation is None):
        raise click.UsageError("give --dataset PROCESS, or both --train and --validation")
    load_profile()
    if dataset is not None:
        sets = find_split(dataset)  # first, because it says which data sets there are to choose from
    else:
        sets = structures_input(str(train), "train"), structures_input(str(validation), "validation")
    kind = kind_of_set(dataset, kind)
    found, evaluate = evaluated_by(dataset, kind, potential)
    start(
        "dismai.benchmark",
        how,
        code=dismai_code(how["code"]),
        train=sets[0],
        validation=sets[1],
        kind=kind,
        potential=found,
        model=model,
        seed=seed,
        oxidation_states=states_of(oxidation_states),
        base={"evaluate": evaluate} if evaluate else None,
    )


launch.add_command(study)
launch.add_command(compare)


@launch.command()
@crystal_options
@model_option
@seed_option
@dft_code_option(required=False)
@potential_option
@click.option(
    "--relax-crystals",
    is_flag=True,
    help="Relax both crystals with DFT first; needs --dft-code. Protocols and settings: the overrides `bulk`.",
)
@states_option
@launch_options
def pipeline(
    how: dict[str, Any],
    slab_a: str,
    slab_b: str,
    model: str,
    seed: int,
    dft_code: str | None,
    potential: str | None,
    relax_crystals: bool,
    oxidation_states: str | None,
) -> None:
    """Everything: from two bulk crystals to the benchmark of a model."""
    if relax_crystals and dft_code is None:
        raise click.UsageError("--relax-crystals needs --dft-code CODE")
    if not relax_crystals:
        _need_energies(dft_code, potential)
    load_profile()
    start(
        "dismai.pipeline",
        how,
        code=dismai_code(how["code"]),
        slab_a=crystal_input(slab_a, "slab-a"),
        slab_b=crystal_input(slab_b, "slab-b"),
        model=model,
        seed=seed,
        dft_code=load_code(dft_code) if dft_code else None,
        potential=find_potential(potential),
        oxidation_states=states_of(oxidation_states),
        base={"bulk": {}} if relax_crystals else None,
    )


def _need_energies(dft_code: str | None, potential: str | None) -> None:
    if (dft_code is None) == (potential is None):
        raise click.UsageError(
            "give --dft-code CODE to make a potential with DFT, or --potential NODE to use one (not both)"
        )
