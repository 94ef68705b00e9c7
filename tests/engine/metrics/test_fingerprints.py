"""CrystalNN fingerprints: the authors' numbers on a real structure, and sites that have none."""

from __future__ import annotations

import numpy as np
import pytest
from interface_reference import COMPOSITION, read_fingerprints

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.metrics import fingerprints
from aiida_dismai.engine.metrics.chemistry import Chemistry, common_composition
from aiida_dismai.engine.metrics.fingerprints import FingerprintError, feature_labels, motif_labels, site_fingerprints
from aiida_dismai.engine.metrics.motifs import ISOLATED, label_of, most_likely
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, from_ase

SALT = Chemistry.build({"Li": 1, "Cl": -1}, ["Li"], ["Cl"])


def test_every_component_as_the_authors(gen_structures, chemistry):
    found = site_fingerprints(gen_structures[1], chemistry)
    for cation in chemistry.cations:
        expected = read_fingerprints("gen", cation)[0][1]
        assert found[cation].shape == expected.shape
        assert np.abs(found[cation] - expected).max() < 1e-9


def test_labels_are_those_of_matminer():
    assert fingerprints._featurizer().feature_labels() == motif_labels()


def test_rock_salt_is_octahedral(rock_salt):
    labels = feature_labels(SALT)
    found = site_fingerprints(rock_salt[0], SALT)["Li"]
    assert found.shape == (4, 61 + 24)
    named = dict(zip(labels, found.mean(axis=0).tolist(), strict=True))
    assert named["wt CN_6"] == pytest.approx(1, abs=1e-3)
    assert named["octahedral CN_6"] == pytest.approx(1, abs=1e-3)
    assert named["Cl share CN_6"] == 1
    assert named["Cl share CN_5"] == 0


def isolated() -> StructureSet:
    from ase import Atoms

    return from_ase([Atoms("LiCl", [[0, 0, 0], [10, 10, 10]], cell=np.eye(3) * 20, pbc=True)])


def test_isolated_site_has_coordination_number_zero():
    found = site_fingerprints(isolated(), SALT)["Li"]
    np.testing.assert_array_equal(found, np.zeros((1, 61 + 24)))
    assert most_likely(found, 1).tolist() == [[ISOLATED, 0]]
    assert label_of(ISOLATED) == "no neighbour"


def test_site_without_possible_neighbours_has_no_fingerprint(rock_salt):
    only_cations = Chemistry.build({"Li": 1, "Cl": 1, "O": -2}, ["Li"], ["O"])
    with pytest.raises(FingerprintError, match=r"site 0 \(Li\): CrystalNN fails \(ValueError: No valid targets"):
        site_fingerprints(rock_salt[0], only_cations)


def test_hopeless_structures_are_refused_before_anything_is_computed(rock_salt):
    positions = rock_salt[0].positions.copy()
    positions[3] = positions[6] + rock_salt.cells[0, 1]
    with pytest.raises(FingerprintError, match="atoms 3 and 6 coincide"):
        site_fingerprints(rock_salt[0].with_positions(positions), SALT)
    positions[2, 2] = np.nan
    with pytest.raises(FingerprintError, match="NaN"):
        site_fingerprints(rock_salt[0].with_positions(positions), SALT)


def test_composition(gen_structures, chemistry, rock_salt):
    assert common_composition(gen_structures, chemistry, "x") == COMPOSITION
    shuffled = np.random.default_rng(1).permutation(264)
    reordered = StructureSet.from_uniform(
        gen_structures.numbers[:264][shuffled], gen_structures.positions[:264][shuffled][None], gen_structures.cells[0]
    )
    both = StructureSet.concatenate([gen_structures.without_properties(), reordered])
    assert common_composition(both, chemistry, "x") == COMPOSITION
    other = gen_structures.numbers.copy()
    other[264] = 21  # one Li of structure 1 is Sc
    changed = StructureSet(
        other, gen_structures.positions, gen_structures.cells, gen_structures.pbc, gen_structures.offsets
    )
    with pytest.raises(BadInput, match=r"generated: structure 1 .* another composition than structure 0"):
        common_composition(changed, chemistry, "generated")
    with pytest.raises(BadInput, match="has no Co, Sc"):
        common_composition(rock_salt, chemistry, "generated")
    with pytest.raises(BadInput, match="Cl has no oxidation state"):
        common_composition(rock_salt, Chemistry.build({"Li": 1, "O": -2}, ["Li"], ["O"]), "generated")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cation": ["Li"]}, "'cation'; did you mean 'cations'"),
        ({"cations": ["Li", "Li"]}, "named twice"),
        ({"cations": ["Na"]}, "Na has no entry in oxidation_states"),
        ({"cations": ["O"]}, "O has the oxidation state -2"),
        ({"anions": ["Li"]}, "Li has the oxidation state"),
        ({"oxidation_states": {"Xx": 1}}, "not a chemical element: Xx"),
        ({"kind": "alloys"}, "kind: Input should be 'interface'"),
        ({"confidence": 1.0}, "confidence"),
        ({"generated_total": 0}, "generated_total"),
    ],
)
def test_parameters(values, message):
    with pytest.raises(BadInput, match=message):
        validate(MetricsParameters, values, "metrics")
