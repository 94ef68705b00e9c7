"""Oxidation states, guessed and read. Right values: textbook ions."""

import json

import pytest
from ase.build import bulk
from ase.io import write
from click.testing import CliRunner

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.families.interface.parameters import InterfaceParameters
from aiida_dismai.engine.families.oxidation import covered, guess_states, ions, parse_states, written
from aiida_dismai.engine.metrics.command import metrics as command


@pytest.mark.parametrize(
    ("crystals", "right"),
    [
        ([{"Li": 1, "Co": 1, "O": 2}, {"Li": 3, "Sc": 1, "Cl": 6}], "Li=1,Co=3,Sc=3,O=-2,Cl=-1"),
        ([{"Ca": 4, "O": 4}, {"Na": 4, "F": 4}], "Ca=2,Na=1,O=-2,F=-1"),
        ([{"Ca": 64, "O": 64, "Na": 40, "F": 40}], "Ca=2,Na=1,O=-2,F=-1"),
        ([{"Li": 7, "La": 3, "Zr": 2, "O": 12}], "Li=1,La=3,Zr=4,O=-2"),
        ([{"Li": 3, "P": 1, "S": 4}, {"Li": 1, "Fe": 1, "P": 1, "O": 4}], "Li=1,P=5,Fe=2,S=-2,O=-2"),
        ([{"Ni": 1, "O": 1}, {"Cu": 2, "O": 1}], "Ni=2,Cu=1,O=-2"),
        ([{"Na": 1, "H": 1}], "Na=1,H=-1"),
        ([{"Li": 2, "O": 2}], "Li=1,O=-1"),
    ],
)
def test_guesses(crystals, right):
    assert written(guess_states(crystals)) == right


@pytest.mark.parametrize("crystals", [[{"Fe": 3, "O": 4}], [{"Si": 8}], [{"Fe": 2, "O": 3}, {"Fe": 1, "O": 1}]])
def test_no_guess_where_no_whole_states_are_neutral(crystals):
    with pytest.raises(BadInput, match=r"cannot be guessed: no integers.*--oxidation-states"):
        guess_states(crystals)


def test_states_as_a_person_writes_them():
    assert parse_states("Ca=2, O=-2,Na:+1,F=−1") == {"Ca": 2, "O": -2, "Na": 1, "F": -1}
    wrong = (("Ca", "'Ca'"), ("Ca=2.5", "not an integer"), ("Xx=1", "'Xx'"), ("O=-2,O=-1", "twice"), ("", "''"))
    for text, message in wrong:
        with pytest.raises(BadInput, match=message):
            parse_states(text)


def test_ions_that_are_present():
    table = ions({"Mg": 2, "O": -2, "Li": 1}, ["O", "Mg"])
    assert (table["cations"], table["anions"]) == (["Mg"], ["O"])
    with pytest.raises(BadInput, match="no cations or no anions"):
        ions({"Mg": 2, "O": -2}, ["Mg"])
    assert covered(InterfaceParameters, ["Li", "Sc", "Co", "Cl", "O"])
    assert not covered(InterfaceParameters, ["Li", "Co", "O"])


def metrics(folder, *options, kind="interface"):
    frames = []
    for seed in range(4):
        frames.append(bulk("MgO", "rocksalt", a=4.212, cubic=True))
        frames[-1].rattle(0.05, seed=seed)
    write(folder / "set.extxyz", frames)
    sets = ("--generated", folder / "set.extxyz", "--reference", folder / "set.extxyz", "--output", folder / "r.json")
    return CliRunner().invoke(command, [kind, *map(str, sets), *options], catch_exceptions=True)


def test_the_command_guesses_and_says_so(tmp_path):
    result = metrics(tmp_path)
    assert result.exit_code == 0, result.output
    assert "oxidation states guessed: Mg=2,O=-2 (others: --oxidation-states)" in result.output
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["oxidation_states"] == {"Mg": 2, "O": -2}
    assert results["d_Mg"]["value"] == 0


def test_the_command_takes_states(tmp_path):
    assert metrics(tmp_path, "--oxidation-states", "Mg=1,O=-1").exit_code == 0
    assert json.loads((tmp_path / "r.json").read_text())["oxidation_states"] == {"Mg": 1, "O": -1}
    incomplete = metrics(tmp_path, "--oxidation-states", "Mg=1")
    assert incomplete.exit_code != 0
    assert "none of O" in f"{incomplete.output}{incomplete.exception}"
    other = metrics(tmp_path, "--oxidation-states", "Mg=1,O=-1", kind="amorphous")
    assert "do not use oxidation states" in f"{other.output}{other.exception}"
