"""Commands of ``aiida-dismai`` as a user types them."""

from __future__ import annotations

from typing import Any

import yaml
from aiida import orm
from click.testing import CliRunner, Result

from aiida_dismai.cli import main


def run(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [str(item) for item in arguments])


def refused(*arguments: object) -> str:
    """Run a command that must fail; return its one line."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("Error: ")
    return lines[0]


def dry(*arguments: object) -> Any:
    """Return what a launch would submit; nothing is stored."""
    before = orm.QueryBuilder().append(orm.Node).count()
    result = run(*arguments, "--dry-run", "--protocol", "demo", "--code", "dismai@localhost")
    assert result.exit_code == 0, result.output
    assert orm.QueryBuilder().append(orm.Node).count() == before
    return yaml.safe_load(result.output)
