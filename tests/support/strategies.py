"""Hypothesis strategies for structure sets."""

import numpy as np
from hypothesis import strategies as st

from aiida_dismai.engine.structures import Property, StructureSet


@st.composite
def structure_sets(draw, same_atoms=False, text=True, max_structures=4, max_atoms=5):
    """Sets of mixed compositions and cells, with properties of every kind."""
    n = draw(st.integers(1, max_structures))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    counts = np.full(n, draw(st.integers(1, max_atoms))) if same_atoms else rng.integers(1, max_atoms + 1, n)
    total = int(counts.sum())
    numbers = np.tile(rng.integers(1, 95, counts[0]), n) if same_atoms else rng.integers(1, 95, total)
    cells = rng.normal(size=(n, 3, 3)) + 8 * np.eye(3)
    pbc = np.tile(rng.random(3) < 0.7, (n, 1)) if same_atoms else rng.random((n, 3)) < 0.7
    stress = rng.normal(size=(n, 3, 3))
    properties = {
        "energy": Property(rng.normal(size=n) * 1e3, "structure", "eV"),
        "forces": Property(rng.normal(size=(total, 3)), "atom", "eV/Å"),
        "stress": Property(stress + stress.transpose(0, 2, 1), "structure", "GPa"),
        "region": Property(rng.integers(0, 4, total).astype(np.int64), "atom"),
        "converged": Property(rng.random(n) < 0.5, "structure"),
        "steps": Property(rng.integers(0, 1000, n), "structure"),
        "shift": Property(rng.random((n, 2)), "structure"),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(properties))))
    kept = {name: properties[name] for name in chosen}
    if text and draw(st.booleans()):
        # extxyz knows no difference between text that looks like a number and the number
        words = draw(st.lists(st.text("abc XYZ_\"'\\[]{}=,", min_size=1, max_size=8), min_size=n, max_size=n))
        kept["source"] = Property(np.array([f"w{word}w" for word in words]), "structure")
    return StructureSet(
        numbers, rng.normal(size=(total, 3)) * 5, cells, pbc, np.concatenate([[0], np.cumsum(counts)]), kept
    )


def assert_same(first, second, tolerance=0.0, properties=True):
    """Compare atoms, cells and (if asked) properties within a tolerance."""
    assert np.array_equal(first.numbers, second.numbers)
    assert np.array_equal(first.offsets, second.offsets)
    assert np.array_equal(first.pbc, second.pbc)
    np.testing.assert_allclose(first.cells, second.cells, rtol=0, atol=tolerance)
    np.testing.assert_allclose(first.positions, second.positions, rtol=0, atol=tolerance)
    if not properties:
        return
    assert set(first.properties) == set(second.properties)
    for name, prop in first.properties.items():
        other = second.properties[name]
        assert prop.level == other.level, name
        assert prop.unit == other.unit, name
        if prop.values.dtype.kind == "f":
            np.testing.assert_allclose(prop.values, other.values, rtol=1e-14, atol=tolerance, err_msg=name)
        else:
            assert np.array_equal(prop.values, other.values), name
