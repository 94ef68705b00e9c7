"""The small data sets that ship with the package: names, content, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.main import cli
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.small import catalogue
from aiida_dismai.engine.small.catalogue import FOLDER, SETS, SmallSet, available, find, manifest, of_path, recipe
from aiida_dismai.engine.structures import read_npz, write_npz
from aiida_dismai.engine.tasks import find_task

FORMULAS = {"alloy": "Cr6Fe20Ni6", "amorphous": "Si64", "interface": "Li21Sc3Co12Cl18O24"}
#: What ships at most, bytes.
ROOM = 6e6


def test_alloys_and_silicon_ship_and_everything_fits_into_six_megabytes():
    assert {name for name in SETS if name != "interface"} <= set(available())
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {"LICENSE", "README.md", "recipe.json", "manifest.json"} <= {path.name for path in files}
    assert sum(path.stat().st_size for path in files) <= ROOM


@pytest.mark.parametrize("name", sorted(available()))
def test_sizes_formulas_hashes_and_no_structure_in_both_parts(name):
    chosen = find(name)
    parts = {part: chosen.load(part) for part in ("train", "validation")}
    assert [len(parts[part]) for part in ("train", "validation")] == [600, 150]
    seen = set()
    for part, structures in parts.items():
        assert set(structures.formulas) == {FORMULAS[chosen.kind]}
        assert structures.content_hash == manifest()[name][part]["content_hash"]
        seen |= {one.positions.tobytes() for one in structures}
    assert len(seen) == 750


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("small:alloy_300K_narrow", "alloy_300K_narrow"),
        ("alloy_1500K_wide", "alloy_1500K_wide"),
        ("small:alloy_300K", "alloy_300K_wide"),
        ("alloy_1500K_n", "alloy_1500K_narrow"),
    ],
)
def test_a_name_its_beginning_and_the_default(given, name):
    assert find(given).name == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("small:alloy_3", "may be alloy_300K_wide, alloy_300K_narrow; name one of them"),
        ("small:aloy_300K_wide", "did you mean 'alloy_300K_wide'"),
        ("small:", "known are: alloy_1500K_narrow"),
        ("small:../recipe", "there is no small data set"),
    ],
)
def test_names_that_are_refused(given, message):
    with pytest.raises(BadInput, match=message):
        find(given)


def test_a_damaged_or_exchanged_file_is_noticed(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "data")
    chosen = SmallSet("alloy_300K_wide", "alloy", "", folder=tmp_path / "data")
    chosen.load("train")
    shutil.copy(chosen.path("validation"), chosen.path("train"))
    with pytest.raises(BadInput, match=r"not the one that manifest\.json names"):
        chosen.load("train")
    chosen.path("train").write_bytes(chosen.path("validation").read_bytes()[:2000])
    with pytest.raises(BadInput, match="truncated"):
        chosen.load("train")


def test_a_version_without_a_set_says_which_it_has(monkeypatch, tmp_path):
    bare = {"amorphous": SmallSet("amorphous", "amorphous", "none", folder=tmp_path)}
    monkeypatch.setattr(catalogue, "SETS", bare)
    assert available() == {}
    with pytest.raises(BadInput, match="there is no small data set 'amorphous'"):
        find("amorphous")


def test_the_recipe_holds_parameters_that_the_tasks_take():
    content = recipe()
    for temperature in content["alloy"]["temperatures"].values():
        find_task("alloys.sample").validate(content["alloy"]["sample"] | {"temperature": temperature})
    silicon, faces = content["amorphous"], content["interface"]
    find_task("amorphous.network").validate(silicon["network"])
    find_task("relax").validate(silicon["relax"])
    find_task("amorphous.measure").validate(silicon["measure"])
    find_task("interfaces.build").validate(faces["build"] | faces["training"])
    find_task("potential.train").validate(faces["potential"])
    find_task("relax").validate(faces["relax"])
    assert content["n_structures"] == 750
    assert validate(find_task("metrics").model(), {"kind": "alloy", **find("alloy_300K").metrics}, "metrics")


@pytest.mark.engine
def test_the_command_measures_against_a_set_with_its_validation_set_and_its_bounds(tmp_path):
    generated = tmp_path / "generated.npz"
    write_npz(find("alloy_300K_wide").load("validation")[:20], generated)
    words = [
        "metrics",
        "alloy",
        "--generated",
        generated,
        "--reference",
        "small:alloy_300K",
        "--output",
        tmp_path / "r.json",
    ]
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["n_reference"] == 600
    assert found["d_cluster"]["value"] < 0.2
    assert found["vacancy_percent"]["value"] == 0
    assert found["noise_floor"]["validation"]["metrics"]["d_cluster"] is not None
    asked = json.loads(json.dumps(found))
    assert asked["failed_percent"]["value"] == 0


@pytest.mark.engine
def test_seven_lost_atoms_of_32_are_a_failure_and_six_are_not(tmp_path):
    whole = find("alloy_300K_wide").load("validation")
    for lost, failed in ((6, 0.0), (7, 100.0)):
        kept = np.arange(32 - lost)
        one = whole[0].without_properties()
        fewer = type(one)(one.numbers[kept], one.positions[kept], one.cells, one.pbc, np.array([0, len(kept)]))
        write_npz(fewer, tmp_path / "generated.npz")
        words = ["metrics", "alloy", "--generated", tmp_path / "generated.npz", "--reference", "small:alloy_300K_wide"]
        result = CliRunner().invoke(cli, [str(word) for word in (*words, "--output", tmp_path / f"{lost}.json")])
        assert result.exit_code == 0, result.output
        assert json.loads((tmp_path / f"{lost}.json").read_text())["failed_percent"]["value"] == failed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("amorphous", "--reference", "small:alloy_300K"), "is of the kind 'alloy', not 'amorphous'"),
        (("alloy", "--reference", "small:alloy"), "may be alloy_300K_wide"),
        (("alloy", "--reference", "large:alloy_300K"), "does not exist"),
    ],
)
def test_references_that_are_refused(words, message, tmp_path):
    generated = find("alloy_300K_wide").path("validation")
    given = ["metrics", *words, "--generated", generated, "--output", tmp_path / "r.json"]
    result = CliRunner().invoke(cli, [str(word) for word in given])
    assert result.exit_code != 0
    assert message in " ".join(f"{result.output} {result.exception}".split())
    assert not (tmp_path / "r.json").exists()


def test_list_and_path():
    result = CliRunner().invoke(cli, ["small", "list"])
    assert result.exit_code == 0
    (line,) = [line for line in result.output.splitlines() if line.startswith("alloy_300K_wide")]
    assert "600/150" in line
    assert manifest()["alloy_300K_wide"]["train"]["content_hash"][:12] in line
    path = CliRunner().invoke(cli, ["small", "path", "alloy_300K", "--validation"]).output.strip()
    assert of_path(type(FOLDER)(path)).name == "alloy_300K_wide"
    assert len(read_npz(path)) == 150


def test_make_refuses_a_set_that_it_does_not_know(tmp_path):
    result = CliRunner().invoke(cli, ["small", "make", "alloys", "--folder", str(tmp_path)])
    assert isinstance(result.exception, BadInput)
    assert "known are: alloy_300K_wide" in str(result.exception)
    assert not any(tmp_path.iterdir())
