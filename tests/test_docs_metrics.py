"""What ``docs/metrics.md`` says of the metrics is so, its pictures are there and small."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.engine

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "metrics.md").read_text()
SCRIPTS = ("metric_studies", "make_metric_pictures", "metric_peculiarities")


@pytest.fixture(scope="module")
def studies():
    sys.path.insert(0, str(DOCS))
    import metric_studies

    yield metric_studies
    sys.path.remove(str(DOCS))
    for name in SCRIPTS:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def responses(studies):
    return {kind: {name: (found, failed) for name, found, failed in studies.responses(kind)} for kind in studies.FILES}


def test_pictures_are_shown_and_small():
    pages = "".join(page.read_text() for page in DOCS.rglob("*.md"))
    shown = re.findall(r"!\[[^\]]+\]\((?:\.\./)?(pictures/[^)]+)\)", pages)
    shown += re.findall(r'<img src="docs/(pictures/[^"]+)"', (DOCS.parent / "README.md").read_text())
    assert sorted(shown) == sorted(f"pictures/{path.name}" for path in (DOCS / "pictures").iterdir())
    assert all((DOCS / path).stat().st_size < 150_000 for path in shown)


def table_of(columns: str) -> dict[str, list[float]]:
    """Return the rows of a table of the page by their first cell, bold or not."""
    rows = {}
    lines = PAGE[PAGE.index(columns) :].splitlines()[2:]
    for line in lines:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip(" *") for cell in line.strip("|").split("|"))
        rows[first] = [float(cell) for cell in cells]
    return rows


@pytest.mark.parametrize(
    ("kind", "columns", "names"),
    [
        ("interface", "| interface | `d_Li`", ("d_Li", "d_Co", "d_Sc", "d_all")),
        ("amorphous", "| amorphous | `d_motif`", ("d_motif", "d_rdf", "d_angle")),
        ("alloy", "| alloy | `d_cluster`", ("d_cluster", "vacancy_percent")),
    ],
)
def test_the_tables_are_what_is_measured(studies, responses, kind, columns, names):
    written = list(table_of(columns).values())
    measured = [[found[name] for name in names] for found, _ in responses[kind].values()]
    training = studies.reference_sample(kind, 0)
    floors = studies.floors(training, len(training.records))
    measured.append([floors[name]["value"] if name in floors else 0 for name in names])
    assert len(written) == len(measured)
    for row, expected in zip(written, measured, strict=True):
        np.testing.assert_allclose(row, expected, rtol=0.02, atol=6e-4)


def test_what_no_metric_should_see(responses):
    """Stretching changes no angle and no order; the number of Li and Sc sites tells nothing of Co."""
    stretched = responses["amorphous"]["stretched by 2 %"][0]
    assert stretched["d_angle"] < 1e-9 < stretched["d_rdf"]
    assert responses["alloy"]["stretched by 2 %"][0]["d_cluster"] < 1e-12
    assert responses["interface"]["3 Co and 3 Sc exchanged"][0]["d_Li"] < 1e-12
    assert all(failed == 0 for found in responses.values() for _, failed in found.values())


def test_floor_of_angles_is_counting_noise(studies):
    training = studies.reference_sample("amorphous", 0)
    from aiida_dismai.engine.descriptors.angles import bond_angles, structure_angles

    structures = studies.reference_structures(studies.FILES["amorphous"][0])
    angles = sum(len(bond_angles(*structure_angles(structure))) for structure in structures)
    floor = studies.floors(training, len(training.records))["d_angle"]["value"]
    assert floor == pytest.approx(np.sqrt(2 / angles), rel=0.05)


def test_enough_structures_tell_random_from_ordered_alloys(studies):
    training = studies.random_alloys(200, 1.0, seed=1)
    same = studies.compare(studies.random_alloys(200, 1.0, seed=2), training)["d_cluster"]
    other = studies.compare(studies.random_alloys(200, 0.8, seed=3), training)["d_cluster"]
    floor = studies.floors(training, 200, divisions=50)["d_cluster"]
    assert floor["lower"] < same["value"] < floor["upper"] < other["lower"]
    assert same["lower"] > 0  # the interval does not hold the true distance, 0: this is what the floor is for


def test_scripts_run(studies, capsys):
    import make_metric_pictures
    import metric_peculiarities

    make_metric_pictures.changes()
    metric_peculiarities.clean_up()
    printed = capsys.readouterr().out
    assert "default: 0 1 0 0 3 failed" in printed
    assert "authors: 0 1 0 0 3 49" in printed
