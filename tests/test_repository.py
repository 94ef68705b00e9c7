"""Templates of issues: GitHub can read them, and what they link to is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "ISSUE_TEMPLATE"
OWN = "https://github.com/aiida-dismai/aiida-dismai/blob/main/"


def linked(text):
    """Return the files of the repository that a text links to."""
    return [ROOT / found.partition("#")[0] for found in re.findall(rf"{re.escape(OWN)}([^)\s]+)", text)]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_a_template_has_name_and_about_and_asks_something(path):
    _, head, body = path.read_text().split("---\n", 2)
    assert {"name", "about"} <= set(yaml.safe_load(head)) <= {"name", "about", "labels", "title", "assignees"}
    assert body.count("**") >= 4
    for file in linked(body) + [ROOT / name for name in re.findall(r"`(docs/[^`]+)`", body)]:
        assert file.is_file(), file


def test_there_is_one_for_each_kind():
    names = {yaml.safe_load(path.read_text().split("---\n")[1])["name"] for path in FOLDER.glob("*.md")}
    assert names == {"Bug", "Feature request", "New model", "Question", "Result for the leaderboard"}


def test_questions_that_are_not_ours_lead_elsewhere():
    config = yaml.safe_load((FOLDER / "config.yml").read_text())
    assert set(config) == {"blank_issues_enabled", "contact_links"}
    for link in config["contact_links"]:
        assert set(link) == {"name", "url", "about"}
        assert link["url"].startswith("https://")
        assert all(file.is_file() for file in linked(link["url"]))
