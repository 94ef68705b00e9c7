from collections import Counter

import numpy as np
import pytest
from ase.data import atomic_numbers, chemical_symbols

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces import REGIONS
from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.exchange import exchange
from aiida_dismai.engine.interfaces.order import element_order
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco

ORDER = ["Li", "Sc", "Co", "Cl", "O"]


def symbols_and_regions(structures, i):
    own = structures.atoms_of(i)
    symbols = np.array([chemical_symbols[z] for z in structures.numbers[own]])
    return symbols, structures.values("region")[own], structures.positions[own]


def test_the_papers_cell_and_composition(paper):
    structures = paper.collect([paper.build(0, i) for i in range(3)])
    assert structures.formulas == ["Li72Sc12Co36Cl72O72"] * 3
    cell = structures.cells[0]
    assert np.linalg.norm(cell[0]) == pytest.approx(12.46997)
    assert np.linalg.norm(cell[1]) == pytest.approx(17.19967)
    assert np.degrees(np.arccos(cell[0] @ cell[1] / 12.46997 / 17.19967)) == pytest.approx(75.6674)
    np.testing.assert_allclose(cell[2], [0, 0, 33.1969])
    assert structures.pbc.all()
    counts = Counter(structures.values("region")[structures.atoms_of(0)].tolist())
    assert counts == {0: 30, 1: 36, 2: 108, 3: 90}


def test_order_of_the_atoms(paper, paper_exchanged):
    for builder in (paper, paper_exchanged):
        structures = builder.collect([builder.build(2, i) for i in range(8)])
        for i in range(len(structures)):
            symbols, regions, positions = symbols_and_regions(structures, i)
            assert [s for k, s in enumerate(symbols) if k == 0 or symbols[k - 1] != s] == ORDER
            for element in ORDER:
                mine = symbols == element
                assert np.all(np.diff(regions[mine]) >= 0)
                z = positions[mine, 2]
                lower = np.isin(regions[mine], [1, 2])
                assert np.all(np.diff(z[lower]) < 0.01)  # slab A from the top down
                assert np.all(np.diff(z[regions[mine] == 3]) > -0.05)  # slab B from the bottom up


def test_first_lithium_of_the_interface_then_of_the_top_layer(paper):
    structures = paper.collect([paper.build(0, 0)])
    symbols, regions, positions = symbols_and_regions(structures, 0)
    assert set(symbols[:72]) == {"Li"}
    assert regions[:9].tolist() == [REGIONS["interface"]] * 9
    assert regions[9:18].tolist() == [REGIONS["slab_a_top"]] * 9
    np.testing.assert_allclose(positions[9:18, 2], 7.0 + paper.slab_a.thickness)
    assert set(regions[18:45]) == {REGIONS["slab_a"]}
    assert set(regions[45:72]) == {REGIONS["slab_b"]}


def test_the_same_seed_gives_the_same_structure_whatever_else_is_made(paper):
    first = paper.collect([paper.build(9, i) for i in range(4)])
    alone = paper.collect([paper.build(9, 3)])
    assert first[3] == alone
    assert paper.collect([paper.build(10, 3)]) != alone
    assert not np.allclose(first[0].positions, first[1].positions)


def test_exchanges_move_ions_and_leave_places(paper, paper_exchanged):
    kinds = {"Sc_Co": ("Sc", "Co"), "Li_Co": ("Li", "Co"), "Cl_O": ("Cl", "O")}
    before = [paper.build(4, i) for i in range(60)]
    after = [paper_exchanged.build(4, i) for i in range(60)]
    structures = paper_exchanged.collect(after)
    seen = Counter()
    for i, (plain, moved) in enumerate(zip(before, after, strict=True)):
        counts = {name: int(structures.values(f"exchanges_{name}")[i]) for name in kinds}
        assert structures.values("exchanges")[i] == sum(counts.values())
        # the same places with the same regions, whoever sits there
        where_before = {tuple(p): (z, r) for p, z, r in zip(plain.positions, plain.numbers, plain.regions, strict=True)}
        changed = Counter()
        for p, z, r in zip(moved.positions, moved.numbers, moved.regions, strict=True):
            old, region = where_before.pop(tuple(p))
            assert region == r
            if old != z:
                changed[int(r), chemical_symbols[old], chemical_symbols[z]] += 1
        assert not where_before
        expected = Counter()
        for name, (inside, top) in kinds.items():
            expected[REGIONS["interface"], inside, top] += counts[name]
            expected[REGIONS["slab_a_top"], top, inside] += counts[name]
        assert changed == +expected
        if parameters_say_exchanged(i):
            seen.update(dict.fromkeys(counts.items(), 1))
        else:
            assert sum(counts.values()) == 0
    for name, most in (("Sc_Co", 3), ("Li_Co", 3), ("Cl_O", 6)):
        assert {count for kind, count in seen if kind == name} == set(range(most + 1))


def parameters_say_exchanged(index):
    return InterfaceParameters.model_validate(lsc_lco(exchanges=True)).exchanged(index)


def test_numbers_of_exchanges_are_uniform():
    from scipy.stats import chisquare

    numbers = np.array([21] * 3 + [27] * 9)
    regions = np.array([0] * 3 + [1] * 9)
    drawn = [exchange(np.random.default_rng(i), numbers, regions, [(21, 27, 3)])[1][0] for i in range(800)]
    assert chisquare(np.bincount(drawn, minlength=4)).pvalue > 0.01


def test_350_without_and_600_with_exchanges():
    parameters = InterfaceParameters.model_validate(lsc_lco(950, exchanges=True))
    assert sum(parameters.exchanged(i) for i in range(950)) == 600
    assert sum(parameters.exchanged(i) for i in range(95)) == 60
    without = InterfaceParameters.model_validate(lsc_lco(950))
    assert not any(without.exchanged(i) for i in range(950))


def test_electronegativity_gives_the_papers_order():
    assert [chemical_symbols[z] for z in element_order([8, 17, 27, 21, 3], None)] == ORDER


def changed(**changes):
    values = lsc_lco()
    region = changes.pop("region", {})
    values["region"] = {**values["region"], **region}
    return InterfaceParameters.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"element_order": ["Li", "Sc", "Cl", "O"]}, "element_order: Co occurs"),
        ({"element_order": [*ORDER, "Mn"]}, "element_order: Mn is neither"),
        ({"region": {"composition": {"Cl": 400}}}, "400 Cl atoms .* cannot fit"),
        ({"c": 30.0}, "c: 30.0 Å is too low"),
        (
            {"exchanges": [{"interface": "Sc", "top_layer": "Mn", "maximum": 1}]},
            "top layer, which holds 9 Li, 18 O, 9 Co",
        ),
        ({"exchanges": [{"interface": "Cl", "top_layer": "Co", "maximum": 10}]}, "up to 10 exchanges with Co"),
    ],
)
def test_impossible_input(changes, message):
    with pytest.raises(BadInput, match=message):
        Builder(licoo2(), li3sccl6(), changed(**changes))


def test_c_is_slabs_largest_thickness_and_vacuum():
    builder = Builder(licoo2(), li3sccl6(), changed(c=None, vacuum=10.0))
    assert builder.cell[2, 2] == pytest.approx(4.2445 + 8.9523 + 6 + 10, abs=1e-3)
    assert builder.build(0, 0).positions[:, 2].min() == pytest.approx(5.0)


def test_without_shift_and_without_region():
    builder = Builder(licoo2(), li3sccl6(), changed(shift=False, region={"composition": {}, "thickness": (2.0, 2.0)}))
    made = [builder.build(0, i) for i in range(2)]
    np.testing.assert_array_equal(made[0].positions, made[1].positions)
    assert len(made[0].numbers) == 234
    assert atomic_numbers["Li"] in made[0].numbers
