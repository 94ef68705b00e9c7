"""Files that failed, with what is right: most are modelled on what users of comparable codes reported in public."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write as ase_write

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureStream, load_structures, read_npz

from .guards import bounded

CASES = Path(__file__).parents[1] / "data" / "cases" / "readers"
CELL = 'Lattice="5 0 0 0 5 0 0 0 5"'


def one(tmp_path, comment, *atoms, name="x.extxyz"):
    path = tmp_path / name
    path.write_text("\n".join([str(len(atoms)), f"{CELL} {comment}", *atoms]) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "formulas"),
    [
        ("blank_lines.extxyz", ["Si8"] * 5),
        ("type_labels.data", ["SiO"]),
        ("dm2_random_sio2_300.dat", ["Si100O200"]),
        ("nep.xyz", ["Si2"]),
        ("nep2.xyz", ["Si2"]),
        ("a.extxyz", ["Si2"]),
        ("b.extxyz", ["Si2"]),
        ("occ_dot.cif", ["Li2Sc4Cl12"]),
        ("rhombohedral.cif", ["LiCoO2"]),
        ("hexagonal.cif", ["Li3Co3O6"]),
        ("symbols_Z0.extxyz", ["SiO"]),
    ],
)
def test_is_read(name, formulas):
    assert load_structures(CASES / name).formulas == formulas
    assert len(StructureStream(CASES / name)) == len(formulas)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("molecular.data", "its 6 columns may be of atom style charge or molecular"),
        ("mass_of_hydrogen.data", "the comment behind its mass says Si, its mass 1.008 g/mol is that of H"),
        ("fewer.data", "the header says 3 atoms, the section Atoms has 2"),
        ("more.data", "the header says 2 atoms, the section Atoms has 3"),
        ("no_elements.dump", "which elements are the atom types 1, 2"),
        ("occ_unknown.cif", "site Li1: its occupancy is '?'"),
        ("missing_li.cif", "its sites give Sc4 Cl12, but it says Li3 Sc1 Cl6"),
        ("c.extxyz", "frame 0 (line 1): Lattice must be nine numbers"),
        ("d.extxyz", "line 3: frame 0, atom 0: 4 columns where there should be 7"),
        ("e.extxyz", "line 3: frame 0, atom 0: 6 columns where there should be 4"),
        ("f.extxyz", "frame 0 (line 1): says that its coordinates are fractional"),
        ("symbols_D.extxyz", "atom 0: 'D' is not a chemical symbol; isotopes are not distinguished, write H"),
        ("symbols_Si1.extxyz", "frame 0 (line 1): atom 0: 'Si1' is not a chemical symbol; write Si"),
        ("symbols_dummy.extxyz", "atom 0: 'X' is not a chemical symbol; dummy atoms"),
        ("symbols_id.extxyz", "frame 0 (line 1): no column says the elements"),
        ("symbols_ion.extxyz", "atom 0: 'Li+' is not a chemical symbol; write Li"),
        ("symbols_lower.extxyz", "atom 0: 'li' is not a chemical symbol; write Li"),
        ("symbols_numbers.extxyz", "atom 0: '14' is not a chemical symbol; if it is an atomic number"),
        ("symbols_ovito.extxyz", "the column of species holds numbers"),
        ("lfs.cif", "a Git LFS pointer"),
        ("lfs.npz", "a Git LFS pointer"),
        ("lfs.extxyz", "a Git LFS pointer"),
        ("html.npz", "a web page (HTML)"),
        ("html.extxyz", "a web page (HTML)"),
        ("spaces.extxyz", "blank file"),
        ("token_error.npz", "truncated, or not a structure set"),
        ("crash_14.npz", "truncated, or not a structure set"),
        ("crash_17.npz", "truncated, or not a structure set"),
        ("dtype_str.npz", "array 'numbers': holds <U2"),
        ("meta_deep.npz", "its format is x"),
        ("meta_list.npz", "its format is [1, 2]"),
        ("meta_nested.npz", "array 'meta': nested more than 32"),
        ("meta_props_list.npz", "says nothing of its properties"),
        ("numbers_nan.npz", "array 'numbers': holds float64"),
        ("shape_1e12.npz", "array 'positions': says 24000000000000 bytes, but the file holds 0"),
        ("struct_dtype.npz", "array 'numbers': holds"),
        ("huge_cols.extxyz", "4 columns where there should be 100000004"),
        ("natoms_1e18.extxyz", "says that it has 1000000000000000000 atoms"),
        ("esc_key.extxyz", "the property '\\x1b]0;OWN\\x1b\\x1b[31mred' is not in all frames"),
    ],
)
def test_is_refused(name, reason):
    for reader in (load_structures, lambda path: list(StructureStream(path).blocks(2))):
        with bounded(seconds=20, megabytes=512), pytest.raises(BadInput) as refusal:
            reader(CASES / name)
        assert reason in str(refusal.value)
        assert name in str(refusal.value)
        assert str(refusal.value).isprintable()


def test_empty_files_are_named(tmp_path):
    for name in ("a.cif", "a.extxyz", "a.npz", "POSCAR"):
        (tmp_path / name).touch()
        with pytest.raises(BadInput, match="empty file"):
            load_structures(tmp_path / name)


def test_two_atoms_say_that_a_comment_and_the_parameter_agree():
    assert load_structures(CASES / "mass_of_hydrogen.data", element="Si").elements == ["Si"]


# ---------------------------------------------------------------------- units and names
def test_units_are_obeyed_or_refused(tmp_path):
    atoms = ("Si 0 0 0",)
    plain = load_structures(one(tmp_path, 'energy=-1 stress="1 0 0 0 1 0 0 0 1"', *atoms))
    assert plain.values("stress")[0, 0, 0] == pytest.approx(160.2176634)
    for unit, factor in (
        ("kbar", 0.1),
        ("kB", 0.1),
        ("GPa", 1),
        ("eV/Ang^3", 160.2176634),
        ("MPa", 1e-3),
        ("bar", 1e-4),
    ):
        found = load_structures(one(tmp_path, f'stress="1 0 0 0 1 0 0 0 1" stress-unit="{unit}"', *atoms))
        assert found.values("stress")[0, 0, 0] == pytest.approx(factor), unit
        assert set(found.properties) == {"stress"}
    hartree = load_structures(one(tmp_path, "energy=-1 energy_unit=Hartree", *atoms))
    assert hartree.values("energy")[0] == pytest.approx(-27.211386)
    for key in ("stress-unit=psi", "energy-unit=K", "pos_unit=bohr", "units=real", "unit=au"):
        with pytest.raises(BadInput, match=r"frame 0 \(line 1\)"):
            load_structures(one(tmp_path, f"energy=-1 {key}", *atoms))
    assert set(load_structures(one(tmp_path, "energy=-1 units=metal", *atoms)).properties) == {"energy"}


def test_a_virial_is_a_stress(tmp_path):
    found = load_structures(one(tmp_path, 'energy=-1 virial="1 0 0 0 2 0 0 0 3"', "Si 0 0 0"))
    assert set(found.properties) == {"energy", "stress"}
    assert np.diag(found.values("stress")[0]) == pytest.approx(-np.array([1, 2, 3]) / 125 * 160.2176634)
    both = 'virial="1 0 0 0 2 0 0 0 3" stress="-0.008 0 0 0 -0.016 0 0 0 -0.024"'
    assert set(load_structures(one(tmp_path, both, "Si 0 0 0")).properties) == {"stress", "virial"}
    with pytest.raises(BadInput, match="'virial' and 'stress' contradict each other"):
        load_structures(one(tmp_path, both.replace("-0.0", "0.0"), "Si 0 0 0"))
    with pytest.raises(BadInput, match="'virial' of six numbers"):
        load_structures(one(tmp_path, 'virial="1 2 3 4 5 6"', "Si 0 0 0"))


def test_the_free_energy_is_the_label(tmp_path):
    assert load_structures(one(tmp_path, "free_energy=-3", "Si 0 0 0")).values("energy").tolist() == [-3]
    both = load_structures(one(tmp_path, "free_energy=-3 energy=-2.9", "Si 0 0 0"))
    assert both.values("energy").tolist() == [-3]
    assert both.values("energy_sigma0").tolist() == [-2.9]
    path = one(tmp_path, "free_energy=-3 energy=-3", "Si 0 0 0")
    assert set(load_structures(path).properties) == {"energy"}  # the same twice
    path.write_text(path.read_text() + f"1\n{CELL} free_energy=-4 energy=-3.9\nSi 0 0 0\n")
    assert load_structures(path).values("energy_sigma0").tolist() == [-3, -3.9]


def test_words_of_truth(tmp_path):
    for text, wanted in (("yes", True), ("no", False), ("T", True), ("false", False), ("0", False), ("1", True)):
        assert load_structures(one(tmp_path, f"converged={text}", "Si 0 0 0")).values("converged").tolist() == [wanted]
    for text in ("maybe", "2", '"1 2"', '"_JSON null"', "[T, F]"):
        with pytest.raises(BadInput, match=r"frame 0 \(line 1\): 'converged' must be"):
            load_structures(one(tmp_path, f"converged={text}", "Si 0 0 0"))


@pytest.mark.parametrize("comment", ["energy=none", 'energy="1 2"', "steps=a", "steps=nan", "steps=1.5", "energy=T"])
def test_properties_of_the_wrong_kind(tmp_path, comment):
    with pytest.raises(BadInput, match=r"x.extxyz: frame 0 \(line 1\): '(energy|steps)' must be"):
        load_structures(one(tmp_path, comment, "Si 0 0 0"))
    with pytest.raises(BadInput, match="must be"):
        list(StructureStream(tmp_path / "x.extxyz", ("energy", "steps")).blocks())
    # who does not need them is not kept from reading
    assert len(StructureStream(tmp_path / "x.extxyz", ("converged",))) == 1
    assert [len(block) for block in StructureStream(tmp_path / "x.extxyz", ("converged",)).blocks()] == [1]


def test_a_comment_in_one_frame(tmp_path):
    path = one(tmp_path, "energy=-1", "Si 0 0 0")
    path.write_text(path.read_text() + f"1\n{CELL} energy=-2 after relaxation\nSi 0 0 0\n")
    with pytest.raises(BadInput, match=r"frame 1 .*the property 'after' is not in all frames"):
        load_structures(path)
    blocks = list(StructureStream(path, ("energy",)).blocks())
    assert blocks[0].values("energy").tolist() == [-1, -2]


def test_values_of_different_kinds(tmp_path):
    path = one(tmp_path, "note=1", "Si 0 0 0")
    path.write_text(path.read_text() + f"1\n{CELL} note=later\nSi 0 0 0\n")
    with pytest.raises(BadInput, match=r"frame 1 \(line 4\): the property 'note' is text here and numbers in earlier"):
        load_structures(path)


# ---------------------------------------------------------------------- other writers' files
def test_compression_is_told_by_the_content(tmp_path):
    import bz2
    import lzma

    text = one(tmp_path, "", "Si 0 0 0").read_bytes()
    for opened, ending in ((gzip.compress, ".gz"), (bz2.compress, ".bz2"), (lzma.compress, ".xz"), (gzip.compress, "")):
        path = tmp_path / f"y.extxyz{ending}"
        path.write_bytes(opened(text))
        assert len(load_structures(path)) == len(StructureStream(path)) == 1
        path.write_bytes(opened(text)[:-9])
        with pytest.raises(BadInput, match=r"damaged|cut off"):
            load_structures(path)


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path):
    path = tmp_path / "bomb.extxyz.gz"
    with gzip.open(path, "wb", compresslevel=9) as handle:
        handle.write(b"1\n" + CELL.encode() + b" note=")
        for _ in range(300):
            handle.write(b"a" * 2**20)
    for reader in (load_structures, lambda path: len(StructureStream(path))):
        with bounded(seconds=30, megabytes=512), pytest.raises(BadInput, match="longer than"):
            reader(path)
    with gzip.open(path, "wb", compresslevel=9) as handle:
        for _ in range(300):
            handle.write(b"\n" * 2**20)
    with (
        bounded(seconds=60, megabytes=512),
        pytest.raises(BadInput, match=r"unpacks to more than 200 times|blank file"),
    ):
        load_structures(path)


def test_atoms_of_lammps_that_nothing_tells(tmp_path):
    head = "title\n\n2 atoms\n1 atom types\n\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n\n"
    path = tmp_path / "x.data"
    path.write_text(head + "Masses\n\n1 1.0\n\nAtoms # atomic\n\n1 1 0 0 0\n2 1 1 1 1\n")
    with pytest.raises(BadInput, match="its mass 1 is no element's"):  # LAMMPS's placeholder, not hydrogen
        load_structures(path)
    path.write_text(head + "Masses\n\n1 28.0855\n\nAtoms # atomic\n\n1 1 0 0 0\n1 1 1 1 1\n")
    with pytest.raises(BadInput, match="two atoms have the id 1"):
        load_structures(path)
    path.write_text(head + "Masses\n\n1 28.0855\n\nAtoms # atomic\n\n1 1 0 0 0\n2 3 1 1 1\n")
    with pytest.raises(BadInput, match="line 17: atom type 3, but the header says 1 types"):
        load_structures(path)
    path.write_text(head.replace("title", "written by x, units = lj") + "Atoms # atomic\n\n1 1 0 0 0\n2 1 1 1 1\n")
    with pytest.raises(BadInput, match="units lj are not read"):
        load_structures(path)
    path.write_text(head + "Masses\n\n1 28.0855\n\nAtoms\n\n1 1 0.5 0 0 0\n2 1 -0.5 1 1 1\n")
    assert load_structures(path).formulas == ["Si2"]  # a charge cannot be a type
    for style, row in (("molecular", "7 1"), ("full", "7 1 0.5"), ("charge", "1 0.5")):
        path.write_text(head + f"Masses\n\n1 28.0855\n\nAtoms # {style}\n\n2 {row} 1 1 1\n1 {row} 0 0 2\n")
        assert load_structures(path).positions.tolist() == [[0, 0, 2], [1, 1, 1]]  # by id


def test_a_dump_with_elements_and_a_tilted_box(tmp_path):
    path = tmp_path / "x.dump"
    path.write_text(
        "ITEM: UNITS\nmetal\nITEM: TIMESTEP\n10\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS xy xz yz pp pp ff\n"
        "0 6 1\n0 5 0\n-1 4 0\nITEM: ATOMS id element xs ys zs\n2 O 0.5 0.5 0.5\n1 Si 0 0 0\n"
    )
    found = load_structures(path)
    assert found.formulas == ["SiO"]
    assert found.cells[0].tolist() == [[5, 0, 0], [1, 5, 0], [0, 0, 5]]
    assert found.positions.tolist() == [[0, 0, 0], [3, 2.5, 2.5]]
    assert found.pbc[0].tolist() == [True, True, False]
    assert found.values("timestep").tolist() == [10]
    path.write_text(path.read_text().replace("1 Si 0 0 0\n", ""))
    with pytest.raises(BadInput, match="time step 10: says 2 atoms, but there are 1"):
        load_structures(path)


def test_a_cif_must_give_its_formula_and_say_its_symmetry(tmp_path):
    rock_salt = (CASES.parents[2] / "readers" / "formats.py").read_text().split('b"""')[1].split('"""')[0]
    path = tmp_path / "x.cif"

    def read(*changes):
        text = rock_salt
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return load_structures(path)

    name, number = "_symmetry_space_group_name_H-M 'F m -3 m'\n", "_symmetry_Int_Tables_number 225\n"
    assert read().formulas == ["Na4Cl4"]
    assert read((name, "")).formulas == read((number, "")).formulas == ["Na4Cl4"]
    for changes, reason in (
        (((name, ""), (number, "")), "says nothing of its symmetry"),
        ((("'Na Cl'", "'Na2 Cl2 O'"),), "its sites give Na4 Cl4, but it says Na2 Cl2 O1, Z = 4"),
        ((("_units_Z 4", "_units_Z 2"),), "its sites give Na4 Cl4, but it says Na1 Cl1, Z = 2"),
        ((("225", "62"),), "is not a known setting of number 62"),
        ((("_angle_beta 90", "_angle_beta 100"),), "is not one that its cell can have"),
        ((("0 0 0 1\n", "0 0 0 0.5\n"),), "site Na1: partial occupancies"),
        ((("0.5 0.5 0.5", "0.5 0.5 0.49"), ("'Na Cl'", "'?'")), "Å apart"),
        ((("Cl1 Cl 0.5 0.5 0.5 1\n", "Cl1 Cl 0.5 0.5\n"),), "not readable as CIF"),
        ((("Na1 Na 0", "Na1 Na x"),), "site Na1: the coordinate x is 'x'"),
    ):
        with pytest.raises(BadInput) as refusal:
            read(*changes)
        assert reason in str(refusal.value), reason


def test_cifs_of_other_writers(tmp_path):
    """Pymatgen writes the formula of the cell beside its formula units, with and without symmetry."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.cif import CifWriter

    lithium_cobaltate = Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(2.8166, 14.052), ["Li", "Co", "O"], [[0, 0, 0.5], [0, 0, 0], [0, 0, 0.2605]]
    )
    silicon = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]])
    for structure, formula in ((lithium_cobaltate, "Li3Co3O6"), (silicon, "Si8")):
        for symprec in (None, 0.01):
            CifWriter(structure, symprec=symprec).write_file(tmp_path / "x.cif")
            found = load_structures(tmp_path / "x.cif")
            assert found.formulas == [formula]
            shortest = structure.distance_matrix[~np.eye(len(structure), dtype=bool)].min()
            assert found.closest_pair(0) == pytest.approx(shortest, abs=1e-4)


def test_two_origins_of_one_space_group(tmp_path):
    """Diamond on 8a: (0, 0, 0) with the first origin, (1/8, 1/8, 1/8) with the second."""
    path = tmp_path / "x.cif"
    head = (
        "data_Si\n_cell_length_a 5.43\n_cell_length_b 5.43\n_cell_length_c 5.43\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_space_group_name_H-M_alt '{name}'\n{formula}loop_\n"
        "_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nSi1 {x} {x} {x}\n"
    )
    for name, x in (("F d -3 m :1", 0), ("F d -3 m :2", 0.125), ("F d -3 m", 0), ("F d -3 m", 0.125)):
        stated = "_chemical_formula_sum Si\n_cell_formula_units_Z 8\n" if ":" not in name else ""
        path.write_text(head.format(name=name, x=x, formula=stated))
        found = load_structures(path)
        assert found.formulas == ["Si8"]
        assert found.closest_pair(0) == pytest.approx(5.43 * 3**0.5 / 4)
    path.write_text(head.format(name="F d -3 m", x=0.3, formula=""))
    with pytest.raises(BadInput, match="two origins or settings"):
        load_structures(path)


def test_a_poscar_must_have_what_its_head_says(tmp_path):
    path = tmp_path / "POSCAR"
    ase_write(path, bulk("NaCl", "rocksalt", a=5.64, cubic=True), format="vasp", sort=True)
    lines = path.read_text().split("\n")
    assert load_structures(path).formulas == ["Cl4Na4"]
    for place, text, reason in (
        (5, "", "line 6 does not name the elements"),
        (6, "4 999999999", "says 1000000003 atoms, but only 8 lines"),
        (6, "4 5", "says 9 atoms, but only 8 lines"),
        (6, "4 x", "line 7: 2 numbers of atoms are expected"),
        (5, "Cl Xy", "'Xy' is not a chemical symbol"),
        (3, "1 2", "line 4: a lattice vector is expected"),
    ):
        path.write_text("\n".join([*lines[:place], text, *lines[place + 1 :]]))
        with bounded(seconds=10, megabytes=512), pytest.raises(BadInput) as refusal:
            load_structures(path)
        assert reason in str(refusal.value), reason


def test_names_that_mean_something_to_a_library_are_only_names(tmp_path):
    path = tmp_path / "a@1.cif"
    ase_write(tmp_path / "a.cif", bulk("MgO", "rocksalt", a=4.2, cubic=True))
    path.write_bytes((tmp_path / "a.cif").read_bytes())
    assert load_structures(path).formulas == ["Mg4O4"]
    for name in ("x.py", "x.bundle", "x.unknown"):
        (tmp_path / name).write_text("import os\n")
        with pytest.raises(BadInput, match=r"its format is not known|are not read"):
            load_structures(tmp_path / name)


def test_an_archive_that_is_no_set_of_structures(tmp_path):
    np.savez(tmp_path / "a.npz", numbers=np.arange(3))
    with pytest.raises(BadInput, match="not a structure set"):
        read_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", numbers=np.array([object()], dtype=object))
    with pytest.raises(BadInput, match="not a structure set"):
        read_npz(tmp_path / "b.npz")
