"""Structural comparison as a workflow: relaxed alike, chosen by interface energy, compared."""

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_dismai.calculations.functions.selection import select_by_interface_energy
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import Property, from_ase
from aiida_dismai.workchains.compare import CompareWorkChain

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("aiida_profile_clean")]
#: Rock salt stands for an interface: Li and O in a random region.
SITES = {"compare": {"parameters": {"cations": ["Li"], "anions": ["F"], "oxidation_states": {"Li": 1, "F": -1}}}}
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 1.7, "epsilon": 0.5, "rc": 4.0}}


def interfaces(count, rattle, seed, energies=None, regions=True):
    """Return cells of LiF with thermal noise, all atoms in the region of the interface."""
    frames = []
    for index in range(count):
        atoms = bulk("LiF", "rocksalt", a=4.03, cubic=True)
        atoms.rattle(rattle, seed=seed + index)
        frames.append(atoms)
    structures = from_ase(frames)
    if regions:
        structures = structures.with_property("region", np.zeros(len(structures.numbers), dtype=np.uint8), "atom")
    if energies is not None:
        structures = structures.with_properties({
            "energy": Property(np.asarray(energies, dtype=float), "structure", "eV"),
            "converged": Property(np.ones(count, dtype=bool), "structure"),
        })  # fmt: skip
    return StructureSetData(structures)


@pytest.fixture
def build(dismai_code):
    def build(*sets, overrides=SITES, **more):
        return CompareWorkChain.get_builder_from_protocol(
            dismai_code, *sets, protocol="demo", overrides=overrides, **more
        )

    return build


def test_sets_as_they_are_chosen_by_energy(build):
    # 16.3 Å²: 0.4 J/m² are 0.41 eV a structure
    reference = interfaces(4, 0.02, 1, [-40.0, -39.9, -39.8, -39.7])
    generated = interfaces(3, 0.05, 10, [-40.1, -39.7, -38.0])
    random = interfaces(3, 0.3, 20, [-39.8, -38.0, -37.0])
    overrides = SITES | {"select_by_energy": True}
    outputs, node = run_get_node(build(reference, generated, random, relax=False, overrides=overrides))
    assert node.is_finished_ok, node.exit_message
    kept = {name: len(structures) for name, structures in outputs["selected"].items()}
    assert kept == {"reference": 4, "structures": 2, "other": 2}
    assert (outputs["selected"]["other"].structures.values("interface_energy") > 0).all()
    sets = outputs["results"]["sets"]
    assert sets["reference"]["n_analysed"] == 4
    near, far = (sets[name]["distance"]["Li"]["value"] for name in ("structures", "other"))
    assert near < far
    assert "relaxed" not in outputs


def test_all_sets_are_relaxed_alike(build):
    overrides = SITES | {"relax": {"parameters": LJ | {"steps": 3, "fmax": 10.0}}}
    outputs, node = run_get_node(build(interfaces(3, 0.02, 1), interfaces(2, 0.1, 10), overrides=overrides))
    assert node.is_finished_ok, node.exit_message
    assert set(outputs["relaxed"]) == {"reference", "structures"}
    assert "region" in outputs["relaxed"]["structures"].property_names
    assert [call.process_label for call in node.called].count("RelaxWorkChain") == 2


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_a_set_without_regions_is_refused_by_name(build, lacking):
    sets = [interfaces(2, 0.1, seed, regions=seed != lacking) for seed in range(3)]
    with pytest.raises(BadInput, match=rf"{('reference', 'structures', 'other')[lacking]}: the structures have no reg"):
        build(*sets, relax=False)


def test_energies_are_needed_to_choose_by_them(build):
    sets = interfaces(2, 0.1, 1, [-1, -2]), interfaces(2, 0.1, 5)
    with pytest.raises(BadInput, match="structures: the structures have no 'energy' and 'converged'"):
        build(*sets, relax=False, overrides=SITES | {"select_by_energy": True})


def test_nothing_left_of_a_set_ends_with_its_name(build):
    sets = interfaces(2, 0.1, 1, [-40, -39.9]), interfaces(2, 0.1, 5, [-10, -11])
    _, node = run_get_node(build(*sets, relax=False, overrides=SITES | {"select_by_energy": True}))
    assert node.exit_status == 589
    assert "structures: 2 of 2 converged" in node.exit_message


def test_without_a_converged_training_structure_there_is_no_zero():
    reference = interfaces(2, 0.1, 1, [np.nan, np.nan])
    found = select_by_interface_energy(interfaces(2, 0.1, 5, [-1, -2]), reference, orm.Float(0.4), orm.Bool(True))
    assert found["energies"]["e_cut"] is None
    assert len(found["structures"]) == 0


def test_the_report_has_table_4_motifs_bonds_and_distributions(build):
    from aiida_dismai.report.collect import collect
    from aiida_dismai.report.comparison import comparison_tables, draw_distributions
    from aiida_dismai.report.html import page

    sets = interfaces(4, 0.02, 1), interfaces(3, 0.05, 10), interfaces(3, 0.3, 20)
    outputs, node = run_get_node(build(*sets, relax=False))
    assert node.is_finished_ok, node.exit_message
    report = collect(node)
    distances, bonds, motifs = comparison_tables(report.comparison)
    assert [row[:2] for row in distances.rows] == [("structures", "Li"), ("other set", "Li")]
    assert distances.rows[0][2].startswith(
        f"{outputs['results']['sets']['structures']['distance']['Li']['value']:.3g} ("
    )
    assert bonds.columns == ("set", "to F")
    assert [row[0] for row in bonds.rows] == ["training set", "structures", "other set"]
    assert motifs.rows[0][0].startswith("octahedral")
    assert motifs.rows[0][1].startswith("100 (")
    figures = draw_distributions(report.arrays["comparison"])
    assert figures[0].layout.title.text.startswith("Radial distribution, Li–")
    assert len(figures[0].data) == 6
    assert "average fingerprints beside the training set" in page(report)
