"""The authors' csv files: every number where it belongs, and nothing damaged taken for one."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.descriptors import angles, rdf
from aiida_dismai.engine.descriptors.chemistry import Chemistry
from aiida_dismai.engine.descriptors.fingerprints import feature_labels, motif_labels
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.families.published import has, read_angles, read_clusters, read_fingerprints, read_rdf

REFERENCE = Path(__file__).parents[2] / "data" / "reference"
INTERFACE = Chemistry.build({"Li": 1, "Sc": 3, "Co": 3, "Cl": -1, "O": -2}, ["Li", "Co", "Sc"], ["Cl", "O"])
SILICON = REFERENCE / "a_Si" / "motif" / "train" / "cnn_stats_Si.csv.gz"
RDF = REFERENCE / "a_Si" / "rdf" / "train" / "rdf_Si-Si.csv"
ANGLES = REFERENCE / "a_Si" / "bond_angle" / "train" / "bond_angle_distribution.csv"
CLUSTERS = REFERENCE / "alloy" / "clusters" / "train_300K" / "cluster_prob.csv"
FEW = ["wt CN_4", "tetrahedral CN_4"]

Lines = list[str]


def lines_of(path: Path) -> Lines:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as handle:
        return handle.read().splitlines()


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    head, *rows = csv.reader(lines_of(path))
    return head, rows


def write(path: Path, lines: Lines) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path.parent


def cluster_labels() -> list[str]:
    return rows_of(CLUSTERS)[0][1:]


# ---- what is read


@pytest.mark.parametrize("kind", ["train", "gen"])
def test_fingerprints_of_interfaces(kind):
    folder = REFERENCE / "int" / "motif" / kind
    found = read_fingerprints(folder, feature_labels(INTERFACE), INTERFACE.cations)
    assert {element: values.shape for element, values in found.items()} == {
        "Li": (5, 72, 109),
        "Co": (5, 36, 109),
        "Sc": (5, 12, 109),
    }
    for element, values in found.items():
        head, rows = rows_of(folder / f"cnn_stats_{element}.csv.gz")
        # The authors' scripts take these columns by position, and blocks of rows.
        np.testing.assert_array_equal(values.reshape(-1, 109), np.array(rows)[:, 8:].astype(float))
        assert head[8 + 61] == "Cl fraction coord num 1"
        assert head[8:69] == feature_labels(INTERFACE)[:61]


def test_fingerprints_of_silicon_and_of_all_elements_there_are():
    for elements in (None, ["Si"]):
        found = read_fingerprints(SILICON.parent, motif_labels(), elements)
        assert list(found) == ["Si"]
        head, rows = rows_of(SILICON)
        assert head[6:] == motif_labels()
        np.testing.assert_array_equal(found["Si"].reshape(-1, 61), np.array(rows)[:, 6:].astype(float))
    assert sorted(read_fingerprints(REFERENCE / "int" / "motif" / "gen", feature_labels(INTERFACE))) == [
        "Co",
        "Li",
        "Sc",
    ]


def test_columns_are_taken_by_name_in_the_order_asked_for(tmp_path):
    head, rows = rows_of(SILICON)
    turned = [",".join(row[:2] + row[:1:-1]) for row in [head, *rows]]
    folder = write(tmp_path / "cnn_stats_Si.csv", turned)
    expected = read_fingerprints(SILICON.parent, motif_labels())["Si"]
    np.testing.assert_array_equal(read_fingerprints(folder, motif_labels())["Si"], expected)
    np.testing.assert_array_equal(read_fingerprints(folder, motif_labels()[::-1])["Si"], expected[..., ::-1])


def test_rows_in_any_order_and_numbers_with_gaps(tmp_path):
    head, *body = lines_of(SILICON)
    kept = [line for line in body if not line.startswith(("2,", "5,"))]  # two structures could not be analysed
    shuffled = [kept[i] for i in np.random.default_rng(0).permutation(len(kept))]
    folder = write(tmp_path / "cnn_stats_Si.csv", [head, *shuffled])
    everything = read_fingerprints(SILICON.parent, motif_labels())["Si"]
    np.testing.assert_array_equal(read_fingerprints(folder, motif_labels())["Si"], everything[[0, 2, 3, 5]])
    head, *body = lines_of(RDF)
    folder = write(tmp_path / "rdf" / "rdf_Si-Si.csv", [head, *body[::-1]])
    np.testing.assert_array_equal(read_rdf(folder)[1], read_rdf(RDF.parent)[1])


def test_distributions():
    for read, path, ours in ((read_rdf, RDF, rdf.bin_centres()), (read_angles, ANGLES, angles.bin_centres())):
        centres, values = read(path.parent)
        np.testing.assert_allclose(centres, ours, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(values, np.array(rows_of(path)[1], dtype=float)[:, 1:])
        assert values.shape == (6, len(ours))


def test_clusters_by_name():
    labels = cluster_labels()
    values = read_clusters(CLUSTERS.parent, labels)
    np.testing.assert_array_equal(values, np.array(rows_of(CLUSTERS)[1], dtype=float)[:, 1:])
    assert values.shape == (4, 45)
    np.testing.assert_array_equal(read_clusters(CLUSTERS.parent, labels[::-1]), values[:, ::-1])


# ---- where it lies


def test_the_layout_of_the_authors_record(tmp_path):
    shutil.copytree(REFERENCE / "int" / "motif" / "train", tmp_path / "int" / "train_motif")
    (tmp_path / "a_Si" / "train_motif").mkdir(parents=True)
    shutil.copy(SILICON, tmp_path / "a_Si" / "train_motif" / "cnn_stats_Si_train.csv.gz")
    write(tmp_path / "a_Si" / "train_rdf" / "rdf_Si-Si_train.csv", lines_of(RDF))
    write(tmp_path / "a_Si" / "train_bond_angle" / "bond_angle_distribution_train.csv", lines_of(ANGLES))
    write(tmp_path / "alloy_300K_narrow" / "train_cluster_prob.csv", lines_of(CLUSTERS))
    kinds = ("fingerprints", "rdf", "angles", "clusters")
    assert [has(tmp_path / "a_Si", kind) for kind in kinds] == [True, True, True, False]
    assert [has(tmp_path / "int", kind) for kind in kinds] == [True, False, False, False]
    assert [has(tmp_path / "alloy_300K_narrow", kind) for kind in kinds] == [False, False, False, True]
    assert read_fingerprints(tmp_path / "a_Si", motif_labels())["Si"].shape == (6, 256, 61)
    assert read_rdf(tmp_path / "a_Si")[1].shape == (6, 500)
    assert read_angles(tmp_path / "a_Si")[1].shape == (6, 360)
    assert read_clusters(tmp_path, cluster_labels()).shape == (4, 45)
    assert read_fingerprints(tmp_path, feature_labels(INTERFACE), INTERFACE.cations)["Co"].shape == (5, 36, 109)


@pytest.mark.parametrize("name", ["rdf_Si_Si.csv", "rdf_train.csv", "a_Si_rdf_all-all.csv"])
def test_a_radial_distribution_by_another_name(tmp_path, name):
    write(tmp_path / name, lines_of(RDF))
    assert read_rdf(tmp_path)[1].shape == (6, 500)


def test_averages_and_metrics_beside_them_are_other_files():
    generated = REFERENCE / "a_Si"
    assert {path.name for path in (generated / "rdf" / "gen").iterdir()} == {
        "a_Si_rdf_metric.csv",
        "avg_rdf_Si_Si.csv",
        "rdf_Si-Si.csv",
    }
    assert read_rdf(generated / "rdf" / "gen")[1].shape == (6, 500)
    assert read_angles(generated / "bond_angle" / "gen")[1].shape == (6, 360)


def test_two_files_for_one_thing_and_none(tmp_path):
    with pytest.raises(BadInput, match=r"gen/rdf_Si-Si\.csv and .*train/rdf_Si-Si\.csv are both .*the folder of one"):
        read_rdf(REFERENCE / "a_Si")
    with pytest.raises(BadInput, match=r"gen/cnn_stats_Co.csv.gz and .* are both cnn_stats_Co\.csv"):
        read_fingerprints(REFERENCE / "int", motif_labels(), ["Co"])
    shutil.copy(RDF, tmp_path / RDF.name)
    (tmp_path / f"{RDF.name}.gz").write_bytes(gzip.compress(RDF.read_bytes()))
    with pytest.raises(BadInput, match="are both"):
        read_rdf(tmp_path)
    with pytest.raises(BadInput, match=r"no cnn_stats_Li\.csv in it"):
        read_fingerprints(tmp_path, motif_labels())
    with pytest.raises(BadInput, match=r"no cnn_stats_Ge\.csv in it"):
        read_fingerprints(SILICON.parent, motif_labels(), ["Si", "Ge"])
    with pytest.raises(BadInput, match="no such folder"):
        has(tmp_path / "nowhere", "rdf")
    with pytest.raises(ValueError, match="did you mean 'angles'"):
        has(tmp_path, "angle")


# ---- what is damaged


def change_line(number: int, change: Callable[[str], str]) -> Callable[[Lines], Lines]:
    return lambda lines: [change(line) if k == number else line for k, line in enumerate(lines)]


def cell(column: int, value: str) -> Callable[[str], str]:
    return lambda line: ",".join(value if k == column else text for k, text in enumerate(line.split(",")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:1], "no row below"),
        (lambda lines: lines[:-1], "structure 6 has 255 rows, others have 256"),
        (lambda lines: lines[:700] + lines[701:], "structure 3 has 255 rows, others have 256"),
        (lambda lines: lines + lines[1:257], "structure 1 has 512 rows, others have 256"),
        (lambda lines: lines[:300] + lines[299:300] + lines[301:], "structure 2 has two rows of atom 43"),
        (change_line(9, cell(18, "")), "line 10, column 'wt CN_4' holds no number"),
        (change_line(9, cell(18, "nan")), "line 10, column 'wt CN_4' holds no number"),
        (change_line(9, cell(18, "-inf")), "line 10, column 'wt CN_4' holds no number"),
        (change_line(30, cell(20, "about 1")), "line 31, column 'tetrahedral CN_4' holds no number"),
        (change_line(30, cell(0, "1.5")), "line 31: 1.5 is no structure's number"),
        (change_line(30, cell(1, "-3")), "line 31: -3 is no atom's number"),
        (change_line(1, lambda line: line + ",7"), "line 2 has 68 values instead of 67"),
        (change_line(800, lambda line: line + ",7"), "line 801 has 68 values instead of 67"),
        (change_line(1536, lambda line: line[:60]), "line 1537 has 6 values instead of 67, the file is truncated"),
        (change_line(0, cell(18, "weight CN_4")), "no column 'wt CN_4'; did you mean"),
        (change_line(0, cell(7, "wt CN_4")), "two columns are named 'wt CN_4'"),
        (change_line(0, cell(0, "number")), "no column 'structure_number'"),
        (change_line(0, cell(1, "Si")), "no column of atom numbers"),
        (lambda lines: ["<html>not found</html>"], "no column of atom numbers"),
    ],
)
def test_damaged_fingerprints(tmp_path, change, message):
    folder = write(tmp_path / "cnn_stats_Si.csv", change(lines_of(SILICON)))
    with pytest.raises(BadInput, match=message) as caught:
        read_fingerprints(folder, FEW)
    assert str(caught.value).startswith(f"{tmp_path / 'cnn_stats_Si.csv'}: ")


def test_a_nan_among_what_is_not_asked_for_does_not_matter(tmp_path):
    """The authors leave the order parameter of 13 and more neighbours empty."""
    lines = change_line(9, cell(5, ""))(lines_of(SILICON))
    found = read_fingerprints(write(tmp_path / "cnn_stats_Si.csv", lines), FEW)
    assert found["Si"].shape == (6, 256, 2)


def test_truncated_and_empty_files(tmp_path):
    path = tmp_path / RDF.name
    for content, message in (
        (b"", "empty"),
        (b"\n", "empty"),
        (RDF.read_bytes()[:-1], "truncated, its last line has no end"),
        (RDF.read_bytes()[:-300], r"line 7 has \d+ values instead of 501, the file is truncated"),
        (RDF.read_bytes()[:2000], "truncated, its first line has no end"),
        (RDF.read_bytes() + b"\n", "line 8 has 1 values instead of 501"),
        (b"\xff\xfe" + RDF.read_bytes(), "damaged, or not a csv file"),
        (b"PK\x03\x04" + bytes(300), "truncated, its first line has no end"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=message):
            read_rdf(tmp_path)
    path.unlink()
    packed = gzip.compress(RDF.read_bytes())
    for damaged in (packed[:-2000], packed[:3000] + bytes(100) + packed[3100:]):
        (tmp_path / f"{RDF.name}.gz").write_bytes(damaged)
        with pytest.raises(BadInput, match="damaged"):
            read_rdf(tmp_path)
    (tmp_path / f"{RDF.name}.gz").write_bytes(gzip.compress(RDF.read_bytes()[:-1]))
    with pytest.raises(BadInput, match="truncated, its last line has no end"):
        read_rdf(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_line(3, cell(120, "-0.5")), "structure 3 has a negative g"),
        (change_line(3, cell(0, "2")), "structure 2 has 2 rows instead of one"),
        (change_line(0, cell(3, "bin 3")), "not named by the centres of bins"),
        (change_line(0, cell(3, "0.7")), "do not rise"),
        (change_line(0, cell(0, "number")), "no column 'structure_number'"),
    ],
)
def test_damaged_rdf(tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        read_rdf(write(tmp_path / RDF.name, change(lines_of(RDF))))


def test_damaged_angles(tmp_path):
    for value, message in (("0.5", "structure 4 has shares that do not sum to 1"), ("-0.01", "a negative share")):
        folder = write(tmp_path / ANGLES.name, change_line(4, cell(240, value))(lines_of(ANGLES)))
        with pytest.raises(BadInput, match=message):
            read_angles(folder)


def test_damaged_or_other_clusters(tmp_path):
    lines, labels = lines_of(CLUSTERS), cluster_labels()
    with pytest.raises(BadInput, match="0NN_Fe, which is not a cluster of this expansion"):
        read_clusters(CLUSTERS.parent, [label for label in labels if "Fe" not in label])
    with pytest.raises(BadInput, match="no column '8NN_Cr-Cr'"):
        read_clusters(CLUSTERS.parent, [*labels, "8NN_Cr-Cr"])
    for column, value, message in (
        (2, "0.2", "structure 1 has shares of the species that do not sum to 1"),
        (9, "-0.1", "structure 1 has a negative probability"),
    ):
        folder = write(tmp_path / CLUSTERS.name, change_line(2, cell(column, value))(lines))
        with pytest.raises(BadInput, match=message):
            read_clusters(folder, labels)


def test_elements_that_do_not_belong_together(tmp_path):
    for element in ("Li", "Co"):
        lines = lines_of(REFERENCE / "int" / "motif" / "train" / f"cnn_stats_{element}.csv.gz")
        write(tmp_path / f"cnn_stats_{element}.csv.gz", lines if element == "Li" else lines[:-36])
    with pytest.raises(BadInput, match="structure 5 is in only one of"):
        read_fingerprints(tmp_path, feature_labels(INTERFACE), ["Li", "Co"])


def test_other_anions_than_the_files():
    folder = REFERENCE / "int" / "motif" / "gen"
    chlorine = Chemistry.build({"Li": 1, "Cl": -1}, ["Li"], ["Cl"])
    with pytest.raises(BadInput, match="'O fraction coord num 1', but O is not among the anions asked for"):
        read_fingerprints(folder, feature_labels(chlorine), ["Li"])
    more = Chemistry.build({"Li": 1, "Cl": -1, "O": -2, "S": -2}, ["Li"], ["Cl", "O", "S"])
    with pytest.raises(BadInput, match="no column 'S fraction coord num 1'"):
        read_fingerprints(folder, feature_labels(more), ["Li"])
