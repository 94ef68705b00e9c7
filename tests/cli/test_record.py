"""The published record: found out in two layouts, imported, computed again, and refused if it is damaged."""

import csv
import json
import shutil

import numpy as np
import pytest
from aiida import orm
from click.testing import CliRunner
from support.record import DATA, make_record

from aiida_dismai.cli import main
from aiida_dismai.cli.record.layout import DATASETS, find_dataset, read_layout, words_of
from aiida_dismai.cli.record.tables import rows_of
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import load_structures


@pytest.fixture(scope="module", params=[True, False], ids=["nested", "flat"])
def record(request, tmp_path_factory):
    return make_record(tmp_path_factory.mktemp("record") / "record", nested=request.param)


@pytest.fixture
def own(tmp_path):
    return make_record(tmp_path / "record")


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def one_line(result, words):
    assert result.exit_code == 1, result.output
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1, result.output


def test_both_layouts_are_understood(record):
    found = read_layout(record)
    assert (found.missing, found.not_understood) == ([], [])
    assert set(found.sets) == {"int", "a_Si", "alloy_300K_narrow", "alloy_1500K_wide"}
    assert all(set(parts) == {"train", "validation"} for parts in found.sets.values())
    assert set(found.references) == set(found.sets)
    generated = [(item.dataset.name, item.model, item.replicate, item.variant) for item in found.generated]
    assert generated == [
        ("int", "CDVAE", 1, ""),
        ("int", "CDVAE", 2, ""),
        ("int", "DiffCSP", 1, ""),
        ("a_Si", "CDVAE", 1, ""),
        ("alloy_300K_narrow", "CDVAE", 1, ""),
        ("alloy_300K_narrow", "DiffCSP", 1, ""),
        ("alloy_300K_narrow", "CryinGAN", 1, ""),
    ]
    assert not any(item.path.name == "gen.extxyz" for item in found.generated)  # the relaxed ones are there
    assert [path.name for path in found.potentials] == ["gp_iter6_sparse9k.xml"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("int/train.extxyz", "int"),
        ("LSC-LCO interface/x.extxyz", "int"),
        ("a-Si/gen.xyz", "a_Si"),
        ("Amorphous_Silicon/gen.xyz", "a_Si"),
        ("alloy_1500K_wide/gen.extxyz.gz", "alloy_1500K_wide"),
        ("alloy/300 K/narrow_SRO/gen.extxyz", "alloy_300K_narrow"),
        ("alloy/300K/gen.extxyz", None),
        ("printing/silicone.extxyz", None),
        ("int/a_Si.extxyz", None),
    ],
)
def test_data_sets_by_their_words(path, name):
    found = find_dataset(words_of(path))
    assert (found and found.name) == name


def test_variants_of_a_model_are_no_row_of_the_tables(own):
    place = own / "generated_data" / "int"
    shutil.copytree(place / "diffcsp_model_1", place / "diffcsp_lattice_denoising_model_1")
    shutil.copytree(place / "cdvae_model_1", place / "mystery_model_1")
    found = read_layout(own)
    assert [item.variant for item in found.generated if item.model == "DiffCSP" and item.dataset.name == "int"] == [
        "",
        "lattice denoising",
    ]
    assert {path.parent.name for path in found.not_understood} == {"mystery_model_1"}
    result = run("reproduce", own, "--list")
    assert "not understood" in result.output
    assert "not documented" in result.output  # the layout is a guess


def test_record_in_a_folder_of_its_own_is_found(own, tmp_path):
    assert read_layout(tmp_path).folder == own


def test_data_sets_are_imported_with_where_they_are_from(record, aiida_profile_clean):
    result = run("dataset", "import", "--record", record, "--only", "int", "--only", "alloy_1500K_wide")
    assert result.exit_code == 0, result.output
    (train,) = orm.QueryBuilder().append(StructureSetData, filters={"label": "record:int.train"}).one()
    expected = load_structures(DATA / "int" / "inputs" / "train.extxyz.gz")
    np.testing.assert_array_equal(train.structures.positions, expected.positions)
    origin = train.base.extras.get("dismai_record")
    assert (origin["doi"], origin["part"], origin["kind"]) == ("10.5281/zenodo.12710372", "train", "interface")
    assert "zenodo" in origin["licence"]
    assert "https://doi.org/10.1039/d4dd00100a" in train.description
    labels = {node.label for node in orm.QueryBuilder().append(orm.Data).all(flat=True)}
    assert labels == {
        f"record:{name}.{part}" for name in ("int", "alloy_1500K_wide") for part in ("train", "validation", "reference")
    }
    # a second time nothing new is stored
    count = orm.QueryBuilder().append(orm.Node).count()
    assert run("dataset", "import", "--record", record, "--only", "int").exit_code == 0
    assert orm.QueryBuilder().append(orm.Node).count() == count


def test_licence_is_taken_from_the_record_or_the_user(own, aiida_profile_clean):
    (own / "LICENSE.txt").write_text("\nCreative Commons Attribution 4.0\n")
    assert run("dataset", "import", "--record", own, "--only", "int").exit_code == 0
    node = orm.QueryBuilder().append(StructureSetData).first(flat=True)
    assert node.base.extras.get("dismai_record")["licence"] == "Creative Commons Attribution 4.0 (file LICENSE.txt)"


def test_nothing_is_stored_if_a_file_cannot_be_read(own, aiida_profile_clean):
    bad = own / "train_val_data" / "extxyz" / "int" / "val.extxyz"
    for content, words in (
        ("<!DOCTYPE html><html>", "a web page (HTML)"),
        ("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ):
        bad.write_text(content)
        one_line(run("dataset", "import", "--record", own), words)
    assert orm.QueryBuilder().append(orm.Data).count() == 0


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("generated_data", ["reproduce"]),
        ("train_val_data", ["dataset", "import", "--record"]),
    ],
)
def test_missing_folder_is_named_with_what_to_do(own, aiida_profile, folder, words):
    shutil.rmtree(own / folder)
    one_line(run(*words, own), f"no folder {folder}")
    (own / f"{folder}.zip").write_bytes(b"PK")
    one_line(run(*words, own), f"unpack {folder}.zip there")


def test_folder_that_is_no_record(tmp_path):
    one_line(run("reproduce", tmp_path), "no folder")
    one_line(run("reproduce", tmp_path / "nothing"), "no such folder")


def test_reference_or_training_set_is_needed(own):
    shutil.rmtree(own / "dismai_bench_train_ref_data" / "int")
    (own / "train_val_data" / "extxyz" / "int" / "train.extxyz").unlink()
    one_line(run("reproduce", own, "--only", "int"), "nothing to compare with")


def test_link_out_of_the_record_is_refused(own, tmp_path):
    outside = tmp_path / "outside.extxyz"
    shutil.copy(own / "generated_data" / "int" / "cdvae_model_1" / "gen.extxyz", outside)
    (own / "generated_data" / "int" / "cdvae_model_1" / "gen_relaxed.extxyz").unlink()
    (own / "generated_data" / "int" / "cdvae_model_1" / "gen_relaxed.extxyz").symlink_to(outside)
    one_line(run("reproduce", own), "leaves the record")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "alloy_300K_narow"), "did you mean 'alloy_300K_narrow'"),
        (("--models", "GAN"), "no generated structures of these data sets and models"),
        (("--workers", "many"), "give a number of processes"),
        (("-o", "nowhere/out.json"), "there is no folder"),
    ],
)
def test_wrong_options(record, words, said):
    one_line(run("reproduce", record, *words), said)


def test_import_takes_a_file_or_a_record():
    for words in ((), ("--only", "int", __file__), (__file__, "--record", ".")):
        assert run("dataset", "import", *words).exit_code == 2


# ---------------------------------------------------------------------- numbers
def theirs(path):
    with path.open() as handle:
        return {row[0]: float(row[1]) for row in list(csv.reader(handle))[1:] if len(row) > 1 and row[1]}


@pytest.mark.engine
@pytest.mark.slow
def test_numbers_are_those_of_the_authors_scripts(own, tmp_path):
    """The synthetic record's reference and structures went through the authors' scripts, too."""
    output = tmp_path / "out.json"
    words = (
        "reproduce",
        own,
        "--only",
        "int",
        "--only",
        "alloy_300K_narrow",
        "--models",
        "DiffCSP",
        "--format",
        "json",
    )
    words += ("--generated-total", 7, "--workers", 1, "--results", tmp_path / "results", "-o", output)
    result = run(*words)
    assert result.exit_code == 0, result.output
    rows = {(row["dataset"], row["model"], row["measure"]): row for row in json.loads(output.read_text())["rows"]}
    published = theirs(DATA / "int" / "motif" / "gen" / "int_motif_metrics.csv")
    for measure in ("d_Li", "d_Co", "d_Sc", "d_all"):
        value = rows["int", "DiffCSP", measure]["computed"]
        assert value == pytest.approx([published[f"Euclidean distance {measure[2:]}"]] * 3, rel=1e-6)
    ours = rows["int", "DiffCSP", "d_all"]
    assert ours["published"] == [0.037, 0.0353, 0.0388]
    assert ours["in_floors"] == pytest.approx((ours["computed"][0] - 0.037) / ours["floor"])
    assert rows["int", "DiffCSP", "failed_percent"]["computed"][0] == pytest.approx(100 * 2 / 7)
    assert rows["int", "UniMat", "d_all"]["computed"] is None  # not in the record, and said so
    alloys = theirs(DATA / "alloy" / "clusters" / "diffcsp_ii" / "alloy_metrics_vs_300K.csv")
    computed = rows["alloy_300K_narrow", "DiffCSP", "d_cluster"]["computed"][0]
    assert computed == pytest.approx(alloys["Cluster probability Euclidean distance"], abs=2e-5)
    vacancies = rows["alloy_300K_narrow", "DiffCSP", "vacancy_percent"]["computed"][0]
    assert vacancies == pytest.approx(alloys["Accepted structures with vacancies (%)"])
    # what is finished is kept: a second time nothing is computed
    stamp = (tmp_path / "results" / "int" / "DiffCSP_1" / "results.json").stat().st_mtime_ns
    table = run("reproduce", own, "--only", "int", "--models", "DiffCSP", *words[10:-2])
    assert table.exit_code == 0, table.output
    assert (tmp_path / "results" / "int" / "DiffCSP_1" / "results.json").stat().st_mtime_ns == stamp
    assert "floors" in table.output


@pytest.mark.engine
def test_damaged_structures_are_named(own, tmp_path):
    bad = own / "generated_data" / "int" / "cdvae_model_1" / "gen_relaxed.extxyz"
    bad.write_text("<!DOCTYPE html><html>")
    result = run("reproduce", own, "--only", "int", "--models", "CDVAE", "--results", tmp_path / "results")
    assert result.exit_code == 1
    assert "a web page (HTML)" in result.output.strip().splitlines()[-1]


def measured(value, floor):
    return {"d_cluster": {"value": value, "floor": floor}, "vacancy_percent": {"value": 50.0, "floor": 0.0}}


def test_rows_have_mean_minimum_maximum_and_floors():
    dataset = DATASETS[2]
    rows = rows_of(dataset, {"CDVAE": [measured(0.05, 0.01), measured(0.07, 0.01)], "CDVAE (other)": [measured(1, 1)]})
    row = next(row for row in rows if (row["model"], row["measure"]) == ("CDVAE", "d_cluster"))
    assert row["computed"] == pytest.approx([0.06, 0.05, 0.07])
    assert row["in_floors"] == pytest.approx((0.06 - 0.0604) / 0.01)
    assert row["inside"] is True
    share = next(row for row in rows if (row["model"], row["measure"]) == ("CDVAE", "vacancy_percent"))
    assert (share["in_floors"], share["difference"]) == (None, pytest.approx(50 - 35.8))
    other = next(row for row in rows if row["model"] == "CDVAE (other)" and row["measure"] == "d_cluster")
    assert other["published"] is None
    assert other["difference"] is None
