"""Every row of docs/security.md has tests that attack, in files of its number, and a line that names them."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs" / "security.md"
ROWS = range(1, 17)


def functions_in(path):
    return re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)


def lines():
    """Return what the table says, by row."""
    found = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and re.fullmatch(r"S\d+(, S\d+)*|exhaustion", cells[0]):
            found |= dict.fromkeys(cells[0].split(", "), cells)
    return found


@pytest.mark.parametrize("number", ROWS)
def test_a_row_is_documented_and_attacked(number):
    _, done, tested = lines()[f"S{number}"]
    assert len(done) > 40
    named = re.findall(r"`(tests/[\w/]+\.py)`", tested)
    assert any(re.search(rf"_s{number}_", test) for name in named for test in functions_in(TESTS.parent / name))


@pytest.mark.parametrize("number", ROWS)
def test_a_row_has_its_file(number):
    assert [path for path in Path(__file__).parent.glob(f"test_s{number:02}_*.py") if functions_in(path)]


def test_the_tests_of_rows_lie_here():
    elsewhere = [
        f"{path.name}: {name}"
        for path in TESTS.rglob("test_*.py")
        if path.parent != Path(__file__).parent
        for name in functions_in(path)
        if re.match(r"test_(s\d+|exhaustion)_", name)
    ]
    assert elsewhere == []


def test_exhaustion_is_documented_and_attacked():
    assert "`tests/security/test_exhaustion.py`" in lines()["exhaustion"][2]
    assert any(
        name.startswith("test_exhaustion_") for name in functions_in(Path(__file__).with_name("test_exhaustion.py"))
    )


def test_the_tests_that_the_documentation_names_are_there():
    named = re.findall(r"`(tests/[\w/]+\.py)`", DOCS.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (TESTS.parent / name).is_file()] == []
    listed = {f"tests/security/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert listed - set(named) - {"tests/security/test_rows.py"} == set()
