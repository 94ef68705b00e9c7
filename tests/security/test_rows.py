"""Every row of docs/security.md has a test that attacks, named by its number."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs" / "security.md"
NAMES = [
    name
    for path in sorted(TESTS.rglob("test_*.py"))
    for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("number", range(1, 17))
def test_a_row_is_documented_and_attacked(number):
    assert any(re.search(rf"_s{number}_", name) for name in NAMES)
    assert re.search(rf"\bS{number}\b", DOCS.read_text(encoding="utf-8"))


def test_exhaustion_is_attacked():
    assert any(name.startswith("test_exhaustion_") for name in NAMES)


def test_the_tests_that_the_documentation_names_are_there():
    named = re.findall(r"`(tests/[\w/]+\.py)`", DOCS.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (TESTS.parent / name).is_file()] == []
