"""`aiida-dismai dataset offset` and what it is made of."""

import numpy as np
import pytest
from click.testing import CliRunner

from aiida_dismai.cli import main
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.offsets import offsets
from aiida_dismai.engine.structures import StructureSet, write_extxyz


def labelled(method, energy=0.0, factor=1.0, n=4, order=1):
    random = np.random.default_rng(3)
    numbers = np.array([3, 3, 17, 8])
    sets = []
    for i in range(n):
        own = numbers[: 2 + i % 3]
        positions = random.uniform(0, 5, (len(own), 3))
        forces = random.normal(0, 1, (len(own), 3))
        one = StructureSet.from_uniform(own, positions[None], 5 * np.eye(3))
        # lithium −7 eV, chlorine −11, oxygen −20, and what the structure adds
        base = -7.0 * (own == 3).sum() - 11 * (own == 17).sum() - 20 * (own == 8).sum() + 0.1 * i
        one = one.with_property("energy", [base + energy * len(own)], "structure", "eV")
        one = one.with_property("forces", factor * forces, "atom", "eV/Å")
        one = one.with_property("stress", np.array([np.eye(3)]) * factor, "structure", "GPa")
        sets.append(one.with_property("method", [method], "structure"))
    return StructureSet.concatenate(sets[::order])


def test_offsets_of_elements_are_taken_off():
    found = offsets(labelled("a PBE"), labelled("b PBE", energy=2.5, factor=1.1, order=-1))
    assert found["n_pairs"] == 4
    assert found["energy_offset"] == pytest.approx(2.5)
    assert found["energy_scatter"] == pytest.approx(0, abs=1e-9)
    assert found["energy_relative_mae"] == pytest.approx(0, abs=1e-6)
    assert found["element_offsets"] == {name: pytest.approx(2.5) for name in ("Li", "O", "Cl")}
    forces = labelled("a").values("forces")
    assert found["forces_mae"] == pytest.approx(100 * np.abs(forces).mean())
    assert found["forces_largest"] == pytest.approx(100 * np.linalg.norm(forces, axis=1).max())
    assert found["stress_mean"] == pytest.approx(0.1)
    assert found["stress_mae"] == pytest.approx(0.1 / 3)


def test_structures_of_one_set_only():
    found = offsets(labelled("a", n=4), labelled("b", n=2))
    assert found["n_pairs"] == 2
    moved = labelled("b", n=1)
    moved = StructureSet(
        moved.numbers, moved.positions + 0.01 * np.eye(1, 3), moved.cells, moved.pbc, moved.offsets, moved.properties
    )
    with pytest.raises(BadInput, match="no structure is in both sets"):
        offsets(labelled("a", n=1), moved)
    with pytest.raises(BadInput, match="the second set has no energy, forces, stress"):
        offsets(labelled("a"), labelled("b").without_properties())


def test_the_command(aiida_profile, tmp_path):
    write_extxyz(labelled("vasp PBE Li=SHA-512:a"), tmp_path / "a.extxyz")
    write_extxyz(labelled("mine PBE Li=MD5:b", energy=1.0, factor=2.0), tmp_path / "b.extxyz")
    result = CliRunner().invoke(main, ["dataset", "offset", str(tmp_path / "a.extxyz"), str(tmp_path / "b.extxyz")])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "+1.0000 eV/atom" in said
    assert "they differ in DFT engine (vasp, mine): do not train on both together" in said
