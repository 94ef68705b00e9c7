import re

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.lattice import planes_of
from aiida_dismai.engine.interfaces.matching import find_match, lateral_vectors, principal_strains, zsl
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters, LateralCell, MatchParameters
from aiida_dismai.engine.structures import from_ase


def builder(crystal_a, miller_a, crystal_b, miller_b, composition=None, **more):
    values = {
        "slab_a": {"miller": miller_a, "layers": 4},
        "slab_b": {"miller": miller_b, "layers": 4},
        "region": {"composition": composition or {}},
    }
    return Builder(crystal_a, crystal_b, InterfaceParameters.model_validate(values | more))


def test_strains_of_the_paper(paper):
    slabs = paper.describe()
    np.testing.assert_allclose(slabs["slab_a"]["principal_strains_percent"], 0, atol=1e-3)
    np.testing.assert_allclose(slabs["slab_b"]["principal_strains_percent"], [2.95, -4.64], atol=5e-3)
    assert slabs["slab_b"]["area_strain_percent"] == pytest.approx(-1.83, abs=5e-3)
    assert slabs["match"] == {"how": "given", "area_multiple_a": 9, "area_multiple_b": 3}


def test_strains_by_hand():
    strains, area = principal_strains(np.eye(2), np.array([[1.1, 0.0], [0.0, 0.8]]))
    np.testing.assert_allclose(strains, [0.1, -0.2])
    assert area == pytest.approx(-0.12)


def test_matching_finds_the_papers_vectors_in_its_lateral_cell():
    values = {
        "slab_a": {"miller": [1, 1, 0], "layers": 4},
        "slab_b": {"miller": [1, 0, 0], "layers": 3},
        "region": {"composition": {}},
        "lateral_cell": {"a": 12.46997, "b": 17.19967, "gamma": 75.6674},
        "match": {"max_length_tol": 0.06, "max_angle_tol": 0.06},
    }
    a, b = planes_of(licoo2(), (1, 1, 0), "slab_a"), planes_of(li3sccl6(), (1, 0, 0), "slab_b")
    match = find_match(a, b, InterfaceParameters.model_validate(values))
    vectors = match.supercell_a @ a.basis[:2]
    np.testing.assert_allclose(vectors * np.sign(vectors[0, 1]), [[-5 / 3, 5 / 3, 2 / 3], [2, -2, 1]], atol=1e-9)
    own = match.supercell_b @ b.vectors
    expected = [np.hypot(11.040, 6.391), np.hypot(11.040, 2 * 6.391)]  # |b + c| and |b − 2c|
    assert sorted(np.linalg.norm(own, axis=1)) == pytest.approx(expected)


def test_silicon_on_germanium_is_cell_on_cell():
    made = builder(
        from_ase([bulk("Si", "diamond", a=5.431, cubic=True)]),
        (1, 0, 0),
        from_ase([bulk("Ge", "diamond", a=5.658, cubic=True)]),
        (1, 0, 0),
        match={"max_length_tol": 0.05},
    ).describe()
    assert made["match"] == {"how": "zsl", "area_multiple_a": 1, "area_multiple_b": 1}
    expected = 100 * (5.431 / 5.658 - 1)
    np.testing.assert_allclose(made["slab_b"]["principal_strains_percent"], [expected, expected], atol=1e-9)
    np.testing.assert_allclose(made["slab_a"]["principal_strains_percent"], 0, atol=1e-9)


def test_rocksalts_of_other_size_get_a_coincidence_cell(rocksalt):
    # 2√2 of MgO against 3 of LiF's primitive squares: 4.212 · 2 = 8.424, 4.026 · 3/√2 = 8.540
    made = builder(rocksalt("MgO", 4.212), (1, 0, 0), rocksalt("LiF", 4.026), (1, 0, 0), {"Li": 3, "F": 3})
    described = made.describe()
    assert described["match"] == {"how": "zsl", "area_multiple_a": 8, "area_multiple_b": 9}
    expected = 100 * (2 * 4.212 / (3 * 4.026 / 2**0.5) - 1)
    np.testing.assert_allclose(described["slab_b"]["principal_strains_percent"], [expected, expected], atol=1e-9)
    structures = made.collect([made.build(0, i) for i in range(3)])
    assert structures.formulas[0] == "Li39Mg32O32F39"
    assert min(structures.closest_pair(i) for i in range(3)) > 1.9


def test_planes_of_different_kind(rocksalt):
    made = builder(rocksalt("NaCl", 5.64), (1, 1, 0), rocksalt("MgO", 4.212), (1, 1, 1)).describe()
    assert np.abs(made["slab_b"]["principal_strains_percent"]).max() < 3.5
    assert made["lateral_cell"]["area"] == pytest.approx(made["match"]["area_multiple_a"] * 5.64**2 / 2**0.5)


def test_what_is_not_given_is_matched_to_what_is_given(rocksalt):
    vectors = [[0, 2, 0], [0, 0, 2]]
    slab = {"miller": [1, 0, 0], "layers": 4}
    for given, found in (("slab_a", "slab_b"), ("slab_b", "slab_a")):
        values = {given: slab | {"vectors": vectors}, found: slab, "region": {"composition": {}}}
        made = Builder(
            rocksalt("MgO", 4.212), rocksalt("NiO", 4.177), InterfaceParameters.model_validate(values)
        ).describe()
        assert made["match"] == {"how": "zsl", "area_multiple_a": 8, "area_multiple_b": 8}
        assert made["lateral_cell"]["a"] == pytest.approx(8.424)


@pytest.mark.parametrize("seed", range(4))
def test_a_match_keeps_its_promises(triclinic, seed):
    first = planes_of(triclinic(seed), (1, 0, 0), "slab_a").vectors
    second = planes_of(triclinic(seed + 10), (0, 1, 1), "slab_b").vectors
    tolerances = MatchParameters(max_length_tol=0.08, max_angle_tol=0.06)
    a, b = zsl(first, second, tolerances)
    assert np.linalg.det(a) > 0
    own, other = np.linalg.norm(a @ first, axis=1), np.linalg.norm(b @ second, axis=1)
    assert np.abs(own / other - 1).max() <= 0.08
    angles = [np.arccos(v[0] @ v[1] / np.linalg.norm(v[0]) / np.linalg.norm(v[1])) for v in (a @ first, b @ second)]
    assert abs(angles[0] / angles[1] - 1) <= 0.06


def test_no_match_names_the_nearest_and_what_to_loosen(rocksalt):
    with pytest.raises(BadInput, match=r"no lattice match up to 60.0 Å².*nearest has.*loosen match.max_length_tol"):
        builder(
            rocksalt("MgO", 4.212),
            (1, 0, 0),
            rocksalt("LiF", 4.026),
            (1, 0, 0),
            match={"max_area": 60, "max_length_tol": 1e-3},
        )


@pytest.mark.parametrize("tolerances", [{"max_length_tol": 1e-3}, {"max_length_tol": 5e-3, "max_area_ratio_tol": 0.01}])
def test_the_advice_of_the_error_helps(rocksalt, tolerances):
    arguments = (rocksalt("MgO", 4.212), (1, 0, 0), rocksalt("LiF", 4.026), (1, 0, 0))
    tolerances = {"max_area": 75, **tolerances}
    with pytest.raises(BadInput) as caught:
        builder(*arguments, match=tolerances)
    advice = dict(re.findall(r"match\.(\w+) from \S+ to ([\d.]+)", str(caught.value)))
    assert advice
    builder(*arguments, match=tolerances | {name: float(value) for name, value in advice.items()})


def test_a_lateral_cell_that_fits_no_supercell(rocksalt):
    with pytest.raises(BadInput, match=r"slab_a: no lattice match .* or give lateral vectors|slab_a: .*loosen"):
        builder(
            rocksalt("MgO", 4.212),
            (1, 0, 0),
            rocksalt("LiF", 4.026),
            (1, 0, 0),
            lateral_cell={"a": 7.3, "b": 9.1, "gamma": 71},
        )


def test_lateral_vectors():
    np.testing.assert_allclose(lateral_vectors(LateralCell(a=2, b=2, gamma=60)), [[2, 0], [1, 3**0.5]])
