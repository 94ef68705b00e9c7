"""The paper's Tables 1 to 3 beside a run."""

import pytest

from aiida_dismai.report.paper import OTHERS, paper_lines, paper_of_study, paper_tables, read_paper


def values(kind, data, measure, model):
    table = next(table for table in read_paper()["tables"][kind] if data in table["data"])
    return table[measure][model]


@pytest.mark.parametrize(
    ("kind", "data", "measure", "model", "found"),
    [
        ("interface", "LiCoO2", "d_Co", "CrysTens", [0.0141, 0.00707, 0.0239]),
        ("interface", "LiCoO2", "failed_percent", "UniMat", [64.6, 60.6, 68.3]),
        ("amorphous", "Si", "d_rdf", "DiffCSP", [1.39, 1.03, 1.69]),
        ("alloy", "300 K, wide", "d_cluster", "CryinGAN", [0.125, 0.119, 0.129]),
        ("alloy", "1500 K, wide", "vacancy_percent", "CDVAE", [61.3, 55.9, 68.2]),
        ("alloy", "1500 K, narrow", "failed_percent", "CDVAE", [0.37, 0.20, 0.50]),
    ],
)
def test_values_are_those_of_the_tables(kind, data, measure, model, found):
    assert values(kind, data, measure, model) == found


def test_every_entry_is_a_mean_within_its_ends_and_every_model_has_every_measure():
    sizes = {"interface": 5, "amorphous": 2, "alloy": 3}
    for kind, tables in read_paper()["tables"].items():
        assert len(tables) == (4 if kind == "alloy" else 1)
        for table in tables:
            for measure, of_models in table.items():
                if measure == "data":
                    continue
                assert len(of_models) == sizes[kind]
                for mean, low, high in of_models.values():
                    assert low <= mean <= high


def test_a_study_shows_the_tables_of_its_families_and_whose_data_they_are():
    study = {"datasets": {"one": {"family": "amorphous"}, "two": {"family": "amorphous"}}}
    (table,) = paper_of_study(study)
    assert table.title == "in the paper: amorphous Si"
    assert table.columns[0] == "model"
    assert table.rows[0] == (
        "CDVAE",
        "0.0402 (0.0396, 0.0412)",
        "0.392 (0.381, 0.408)",
        "0.00332 (0.00312, 0.00353)",
        "0 (0, 0)",
    )
    assert table.notes == (OTHERS,)
    assert paper_of_study({}) == []
    assert paper_tables(["rocksalt"]) == []


def test_lines_name_measure_model_mean_and_ends():
    (line,) = paper_lines(read_paper()["tables"]["interface"])
    assert line.startswith("Li3ScCl6(100) | LiCoO2(110): d_Li CDVAE 0.0664 (0.0601, 0.0697), ")
    assert "failed_percent CDVAE 0 (0, 0)" in line
