"""Measures of structures whose numbers are known, and beside the benchmark's own metrics."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_dismai.engine.amorphous.measures import Measures, measure, summarise
from aiida_dismai.engine.amorphous.parameters import MeasureParameters
from aiida_dismai.engine.amorphous.targets import TARGETS
from aiida_dismai.engine.descriptors.rdf import radial_distribution
from aiida_dismai.engine.families.amorphous.metrics import AmorphousMetrics
from aiida_dismai.engine.metrics.parameters import DescribeParameters
from aiida_dismai.engine.structures import from_ase, load_structures

OURS = MeasureParameters()
REFERENCE = Path(__file__).parents[2] / "data" / "reference" / "a_Si" / "inputs"


def diamond(repeat=3, rattle=0.0, seed=1, symbol="Si", a=5.431):
    atoms = bulk(symbol, "diamond", a=a, cubic=True) * repeat
    atoms.rattle(rattle, seed=seed)
    return from_ase([atoms])


def test_diamond():
    found = measure(diamond(), OURS, energy=-4.63 * 216)
    assert found.failure == ""
    assert found.coordination_percent == found.coordination_within_cutoff_percent == {"4": 100}
    assert found.tetrahedral_percent == found.crystalline_percent == 100
    assert found.bond_angle_mean == pytest.approx(np.degrees(np.arccos(-1 / 3)))
    assert found.bond_angle_sigma == pytest.approx(0, abs=1e-9)
    # twelve six-membered rings pass through every atom: 12/6 per atom
    assert found.rings_per_atom == {"3": 0, "4": 0, "5": 0, "6": 2, "7": 0, "8": 0}
    assert found.shortest_distance == pytest.approx(5.431 * 3**0.5 / 4)
    # NIST: 2.329 g/cm³
    assert found.density == pytest.approx(2.3290, abs=1e-4)
    assert found.energy_per_atom == pytest.approx(-4.63)
    # the first shell, not the higher second one: 4 neighbours in a bin of 0.02 Å at 2.352 Å
    peak = found.rdf_peak
    assert peak["position"] == pytest.approx(2.352, abs=0.011)
    shell = 4 / 3 * np.pi * ((peak["position"] + 0.01) ** 3 - (peak["position"] - 0.01) ** 3)
    assert peak["height"] == pytest.approx(4 / (shell * 8 / 5.431**3))


def test_hexagonal_diamond_is_crystalline_too():
    a = 3.84
    c = a * (8 / 3) ** 0.5
    third = [[1 / 3, 2 / 3, 0.0625], [1 / 3, 2 / 3, 0.4375], [2 / 3, 1 / 3, 0.5625], [2 / 3, 1 / 3, 0.9375]]
    cell = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]]
    atoms = Atoms("Si4", scaled_positions=third, cell=cell, pbc=True) * (4, 4, 2)
    found = measure(from_ase([atoms]), OURS, None)
    assert (found.coordination_within_cutoff_percent, found.crystalline_percent) == ({"4": 100}, 100)
    assert found.energy_per_atom is None


def test_a_disordered_structure_measures_as_the_metrics_say():
    structures = [diamond((4, 4, 2), 0.3, seed) for seed in (1, 2)]
    summary = summarise([measure(item, OURS, None) for item in structures])
    kind = AmorphousMetrics(DescribeParameters(kind="amorphous"))
    records = np.zeros(2, kind.dtype({"Si": 256}))
    for record, item in zip(records, structures, strict=True):
        for name, value in kind.describe(item).items():
            record[name] = value

    class Records:
        def blocks(self):
            yield records

        def column(self, name):
            return records[name]

    described = SimpleNamespace(records=Records())
    theirs = kind.summary(described, described)
    assert len(theirs["coordination_percent"]["generated"]) > 3
    assert summary["coordination_percent"] == pytest.approx(theirs["coordination_percent"]["generated"])
    assert summary["bond_angle_mean"] == pytest.approx(theirs["bond_angle_mean"]["generated"])
    assert summary["bond_angle_sigma"] == pytest.approx(theirs["bond_angle_sigma"]["generated"])
    g = np.mean([radial_distribution(s.positions, s.cells[0], s.pbc[0], supercell=True) for s in structures], axis=0)
    below = g[: int(2.85 / 0.02)]
    assert summary["rdf_peak"]["height"] == pytest.approx(below.max())
    assert summary["rdf_peak"]["position"] == pytest.approx(0.02 * below.argmax() + 0.01)


def test_the_share_of_tetrahedra_is_a_part_of_the_fourfold_atoms():
    found = measure(diamond((4, 4, 2), 0.3), OURS, None)
    assert 0 < found.tetrahedral_percent <= found.coordination_percent["4"]


def test_atoms_may_lie_anywhere():
    structure = diamond(2, 0.1)
    rng = np.random.default_rng(3)
    moved = structure.with_positions(structure.positions + rng.integers(-40, 40, (64, 3)) @ structure.cells[0])
    one, other = (measure(item, OURS, None).to_dict() for item in (structure, moved))
    assert one["rings_per_atom"] == other["rings_per_atom"]
    for name in ("bond_angle_sigma", "shortest_distance", "density"):
        assert one[name] == pytest.approx(other[name])


def test_the_cutoff_and_the_largest_ring_are_used():
    wide = measure(diamond(), MeasureParameters(bond_cutoff=3.9, largest_ring=3), None)
    # twelve second neighbours at 3.84 Å
    assert wide.coordination_within_cutoff_percent == {"16": 100}
    assert wide.coordination_percent == {"4": 100}
    assert list(wide.rings_per_atom) == ["3"]


def broken(kind):
    atoms = bulk("Si", cubic=True) * 2
    if kind == "NaN":
        atoms.positions[3, 0] = np.nan
    if kind == "coincide":
        atoms.positions[3] = atoms.positions[5]
    if kind == "no bond angle":
        atoms = Atoms("Si2", [[0, 0, 0], [5, 0, 0]], cell=np.eye(3) * 40, pbc=True)
    return from_ase([atoms])


@pytest.mark.parametrize("kind", ["NaN", "coincide", "no bond angle"])
def test_what_cannot_be_analysed_is_said_and_left_out_of_the_means(kind):
    failed = measure(broken(kind), OURS, -1.0)
    assert kind in failed.failure
    assert failed.coordination_percent == {}
    assert failed.bond_angle_sigma is failed.rdf is failed.rdf_peak is None
    good = measure(diamond(), OURS, -216.0)
    summary = summarise([failed, good])
    assert summary["coordination_percent"] == {"4": 100}
    assert summary["bond_angle_mean"] == pytest.approx(109.4712, abs=1e-4)
    assert summary["per_structure"]["bond_angle_mean"][0] is None
    assert summary["per_structure"]["coordination_percent"] == [{}, {"4": 100}]
    assert list(summary["not_analysed"].values()) == [1]
    json.dumps(summary, allow_nan=False)


def test_nothing_but_failures():
    summary = summarise([measure(broken("NaN"), OURS, None)] * 2)
    assert summary["coordination_percent"] == summary["rings_per_atom"] == {}
    assert summary["bond_angle_sigma"] is summary["rdf_peak"] is summary["energy_per_atom"] is None
    assert list(summary["not_analysed"].values()) == [2]


def test_shares_are_of_all_atoms_and_energies_need_all_structures():
    small, large = measure(diamond(2), OURS, -64.0), measure(diamond((4, 4, 2), 0.3), OURS, None)
    summary = summarise([small, large])
    expected = (64 * 100 + 256 * large.coordination_percent["4"]) / 320
    assert summary["coordination_percent"]["4"] == pytest.approx(expected)
    assert summary["energy_per_atom"] is None
    assert summary["per_structure"]["energy_per_atom"] == [-1.0, None]
    assert summary["shortest_distance"] == large.shortest_distance
    assert summary["density"] == pytest.approx((small.density + large.density) / 2)


def test_targets_are_silicons():
    silicon = summarise([measure(diamond(2), OURS, None)])
    assert silicon["targets"]["coordination_percent"]["4"] == 89
    assert "paper" in silicon["targets"]["source"]
    germanium = summarise([measure(diamond(2, symbol="Ge", a=5.658), OURS, None)])
    assert germanium["targets"] is None
    # CRC handbook: 5.3234 g/cm³
    assert germanium["density"] == pytest.approx(5.325, abs=0.005)


def test_measures_survive_json():
    for item in (measure(diamond(2, 0.2), OURS, -3.0), measure(broken("NaN"), OURS, None)):
        content = json.loads(json.dumps(item.to_dict(), allow_nan=False))
        back = Measures.from_dict(content)
        assert back.to_dict() == item.to_dict()
        assert back.rdf_peak == item.rdf_peak
        assert np.isnan(back.crystalline_percent) == np.isnan(item.crystalline_percent)


def test_six_of_the_authors_structures_measure_what_is_said_of_them(tmp_path):
    """The numbers that stand beside everyone's own data set."""
    (tmp_path / "six.extxyz").write_bytes(gzip.decompress((REFERENCE / "train.extxyz.gz").read_bytes()))
    six = load_structures(tmp_path / "six.extxyz")
    found = summarise([measure(six[i], OURS, None) for i in range(6)])
    for name, value in TARGETS["six_structures"].items():
        if isinstance(value, dict):
            assert {key: found[name][key] for key in value} == pytest.approx(value, rel=6e-3, abs=1e-4), name
        else:
            assert found[name] == pytest.approx(value, rel=6e-4, abs=1e-9), name
