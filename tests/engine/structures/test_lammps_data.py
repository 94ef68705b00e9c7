"""LAMMPS data files as LAMMPS and others write them."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureStream, load_structures

HEAD = """a comment with 3 atoms in it

2 atoms
1 atom types

0 4.0 xlo xhi
-1 4.0 ylo yhi
0 6.0 zlo zhi
"""
MASSES = "\nMasses\n\n1 28.0855  # Si\n"
LINES = {
    "atomic": ("1 1 0.5 -0.5 0.5", "2 1 2.0 2.0 3.0"),
    "charge": ("1 1 0.3 0.5 -0.5 0.5", "2 1 -0.3 2.0 2.0 3.0"),
    "full": ("1 7 1 0.3 0.5 -0.5 0.5", "2 7 1 -0.3 2.0 2.0 3.0"),
}


def file(folder, style, masses=MASSES, hint=True, images="", name="large.data", head=HEAD):
    rows = "\n".join(line + images for line in LINES[style])
    path = folder / name
    path.write_text(
        f"{head}{masses}\nAtoms{f' # {style}' if hint else ''}\n\n{rows}\n\nVelocities\n\n1 0 0 0\n2 0 0 0\n"
    )
    return path


@pytest.mark.parametrize("images", ["", " 0 -1 2"])
@pytest.mark.parametrize("hint", [True, False])
@pytest.mark.parametrize("style", list(LINES))
def test_atom_styles(tmp_path, style, hint, images):
    found = load_structures(file(tmp_path, style, hint=hint, images=images))
    assert found.elements == ["Si"]
    assert found.properties == {}
    assert found.pbc.all()
    np.testing.assert_allclose(found.cells[0], np.diag([4, 5, 6]))
    np.testing.assert_allclose(found.positions[1] - found.positions[0], [1.5, 2.5, 2.5])


@pytest.mark.parametrize("name", ["a.data", "data.silicon", "a.lmp", "a.lammps"])
def test_names(tmp_path, name):
    path = file(tmp_path, "atomic", name=name)
    assert len(load_structures(path).numbers) == 2
    assert [len(block) for block in StructureStream(path).blocks()] == [1]


def test_a_skewed_cell_and_two_elements_as_ase_writes_them(tmp_path):
    atoms = bulk("GaAs", "zincblende", a=5.65) * (2, 3, 1)
    atoms.rattle(0.1, seed=1)
    write(tmp_path / "x.data", atoms, format="lammps-data", masses=True)
    found = load_structures(tmp_path / "x.data")
    assert sorted(found.numbers) == sorted(atoms.numbers)
    assert np.linalg.det(found.cells[0]) == pytest.approx(atoms.cell.volume)
    assert found.closest_pair(0) == pytest.approx(np.min(atoms.get_all_distances(mic=True)[~np.eye(12, dtype=bool)]))


def test_elements_that_the_file_does_not_say(tmp_path):
    path = file(tmp_path, "atomic", masses="")
    with pytest.raises(BadInput, match=r"which element is atom type 1\? it has no mass"):
        load_structures(path)
    assert load_structures(path, element="Ge").elements == ["Ge"]
    reduced = file(tmp_path, "atomic", masses="\nMasses\n\n1 500.0\n", name="b.data")
    with pytest.raises(BadInput, match="its mass 500 is no element's"):
        load_structures(reduced)
    labelled = file(tmp_path, "atomic", masses="\nAtom Type Labels\n\n1 Si\n", name="c.data")
    assert load_structures(labelled).elements == ["Si"]
    with pytest.raises(BadInput, match="the comment behind its mass says Si; element: Ge"):
        load_structures(file(tmp_path, "atomic", name="d.data"), element="Ge")


def test_what_is_refused(tmp_path):
    LINES["sphere"] = ("1 1 1.0 1.0 0 0 0 4", "2 1 1.0 1.0 1 1 1 4")
    try:
        with pytest.raises(BadInput, match="atom style 'sphere' is not read"):
            load_structures(file(tmp_path, "sphere"))
    finally:
        del LINES["sphere"]
    (tmp_path / "e.data").write_text(HEAD + MASSES)
    with pytest.raises(BadInput, match="no section Atoms"):
        load_structures(tmp_path / "e.data")
    (tmp_path / "f.data").write_text(HEAD + MASSES + "\nAtoms # atomic\n\n1 1 0.0 x 0.0\n2 1 0 0 0\n")
    with pytest.raises(BadInput, match=r"line 16: not an atom of style atomic: '1 1 0.0 x 0.0'"):
        load_structures(tmp_path / "f.data")
    (tmp_path / "g.data").write_text(HEAD + "\nMasses\n\n1 heavy\n")
    with pytest.raises(BadInput, match="section Masses is not as LAMMPS writes it: '1 heavy'"):
        load_structures(tmp_path / "g.data")
