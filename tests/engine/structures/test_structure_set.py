import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import assert_same, structure_sets

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import (
    Property,
    StructureSet,
    from_ase,
    from_pymatgen,
    load_structures,
    read_extxyz,
    read_npz,
    to_ase,
    to_pymatgen,
    write_extxyz,
    write_npz,
)


@settings(max_examples=40, deadline=None)
@given(structures=structure_sets())
def test_npz_is_exact_and_equal_sets_give_equal_bytes(structures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("npz")
    write_npz(structures, folder / "a.npz")
    back = read_npz(folder / "a.npz")
    assert_same(structures, back)
    assert back == structures
    write_npz(back, folder / "b.npz")
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()


@settings(max_examples=40, deadline=None)
@given(structures=structure_sets())
def test_extxyz_keeps_every_digit(structures, tmp_path_factory):
    path = tmp_path_factory.mktemp("xyz") / "a.extxyz"
    write_extxyz(structures, path)
    assert_same(structures, read_extxyz(path))


@settings(max_examples=40, deadline=None)
@given(structures=structure_sets())
def test_ase_round_trip(structures):
    assert_same(structures, from_ase(to_ase(structures)))


@settings(max_examples=40, deadline=None)
@given(structures=structure_sets())
def test_pymatgen_round_trip(structures):
    assert_same(structures, from_pymatgen(to_pymatgen(structures)), tolerance=1e-12)


@settings(max_examples=40, deadline=None)
@given(structures=structure_sets(max_structures=6), data=st.data())
def test_choosing_and_joining_undo_each_other(structures, data):
    cut = data.draw(st.integers(0, len(structures)))
    parts = [part for part in (structures[:cut], structures[cut:]) if len(part)]
    assert StructureSet.concatenate(parts) == structures
    order = data.draw(st.permutations(range(len(structures))))
    inverse = np.argsort(order)
    assert structures[order][inverse] == structures
    one = structures[int(order[0])]
    np.testing.assert_array_equal(one.positions, structures.positions[structures.atoms_of(order[0])])


def test_stress_leaves_in_the_unit_and_order_of_ase():
    stress = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    one = StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.eye(3) * 5).with_property("stress", [stress])
    voigt = to_ase(one)[0].get_stress()
    np.testing.assert_allclose(voigt * 160.2176634, [1, 2, 3, 4, 5, 6], rtol=1e-9)


def test_extxyz_of_another_writer_is_read(tmp_path):
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.io import write

    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    write(tmp_path / "a.extxyz", atoms)
    back = read_extxyz(tmp_path / "a.extxyz")
    assert back.values("energy")[0] == pytest.approx(energy, abs=1e-7)
    np.testing.assert_allclose(back.values("forces"), forces, atol=1e-7)


def test_bad_files_are_refused_with_a_reason(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        load_structures(tmp_path / "none.extxyz")
    (tmp_path / "a.xyz").write_text("1\nno cell here\nSi 0 0 0\n")
    with pytest.raises(BadInput, match=r"frame 0 \(line 1\): has no lattice"):
        load_structures(tmp_path / "a.xyz")
    (tmp_path / "b.extxyz").write_text("2\nrubbish\nSi 0 0\n")
    with pytest.raises(BadInput, match="line 3: frame 0, atom 0: 3 columns where there should be 4"):
        load_structures(tmp_path / "b.extxyz")
    structures = StructureSet.from_uniform([14], np.zeros((3, 1, 3)), np.eye(3))
    write_npz(structures, tmp_path / "c.npz")
    whole = (tmp_path / "c.npz").read_bytes()
    (tmp_path / "c.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="truncated, or not a structure set"):
        load_structures(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", a=np.zeros(3))
    with pytest.raises(BadInput, match="not a structure set"):
        load_structures(tmp_path / "d.npz")


def test_what_no_task_can_work_with_is_refused():
    good = StructureSet.from_uniform([14, 8], np.random.default_rng(0).random((2, 2, 3)), np.eye(3) * 4)
    assert good.require("here", same_atoms=True) is good
    with pytest.raises(BadInput, match="empty"):
        StructureSet.empty().require("here")
    broken = good.positions.copy()
    broken[3, 1] = np.nan
    with pytest.raises(BadInput, match="NaN or infinite coordinates in structure 1"):
        good.with_positions(broken).require("here")
    with pytest.raises(BadInput, match="no lattice"):
        StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.zeros((3, 3))).require("here")
    with pytest.raises(BadInput, match="no 'enrgy'; did you mean 'energy'"):
        good.with_property("energy", [1.0, 2.0]).require("here", "enrgy")
    mixed = StructureSet.concatenate([good, StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.eye(3))])
    with pytest.raises(BadInput, match=r"structure 2 .Si. differs from structure 0 .SiO"):
        mixed.require("here", same_atoms=True)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(BadInput, match="do not fit each other"):
        StructureSet([1, 2], np.zeros((3, 3)), np.eye(3), [[True] * 3], [0, 3])
    with pytest.raises(BadInput, match="atomic numbers"):
        StructureSet([0], np.zeros((1, 3)), np.eye(3), [[True] * 3], [0, 1])
    one = StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.eye(3))
    with pytest.raises(BadInput, match="rows for 1 atoms"):
        one.with_property("forces", np.zeros((2, 3)))
    with pytest.raises(BadInput, match="say its level and unit"):
        one.with_property("colour", [1])
    with pytest.raises(BadInput, match="not all of them have the properties energy"):
        StructureSet.concatenate([one, one.with_property("energy", [1.0])])
    with pytest.raises(BadInput, match="other levels or units"):
        StructureSet.concatenate(
            [
                one.with_property("energy", [1.0]),
                one.with_properties({"energy": Property(np.array([1.0]), "structure", "Ry")}),
            ]
        )
    with pytest.raises(BadInput, match="frame 1: the property 'energy' is not in all frames"):
        from_ase([*to_ase(one), *to_ase(one.with_property("energy", [1.0]))])


def test_the_closest_pair_sees_the_boundary():
    cell = np.diag([10.0, 10.0, 10.0])
    pair = StructureSet.from_uniform([14, 14], [[[0.2, 5, 5], [9.6, 5, 5]]], cell)
    assert pair.closest_pair(0) == pytest.approx(0.6)
    lonely = StructureSet.from_uniform([14], [[[5.0, 5, 5]]], cell)
    assert lonely.closest_pair(0) == pytest.approx(10.0)
