"""The host imports only what an installation without extras has; deptry (make lint) checks the rest."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import aiida_dismai

ROOT = Path(aiida_dismai.__file__).parent
PROJECT = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
#: Parts of a distribution that have one of their own.
ALIASES = {"pymatgen-core": "pymatgen"}


def normal(name):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def declared(*extras):
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return {normal(item) for entries in lists for item in entries} - {"aiida-dismai"}


@cache
def imported():
    """Return distributions by the first part of the package that imports them: ``engine`` or ``host``."""
    known = packages_distributions()
    found = {"engine": {}, "host": {}}
    for path in ROOT.rglob("*.py"):
        part = "engine" if "engine" in path.relative_to(ROOT).parts[:1] else "host"
        for node in ast.walk(ast.parse(path.read_text())):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names}:
                if name not in sys.stdlib_module_names and name != "aiida_dismai":
                    for distribution in known.get(name, [name])[:1]:
                        name = normal(distribution)
                        found[part].setdefault(ALIASES.get(name, name), path.relative_to(ROOT).as_posix())
    return found


def test_the_host_imports_what_an_installation_without_extras_has():
    # those of extras are imported where the extra is needed, with a message that names it
    odd = {name: where for name, where in imported()["host"].items() if name not in declared("demo", "engine", "qe")}
    assert odd == {}


def test_the_package_says_that_it_is_typed():
    assert files("aiida_dismai").joinpath("py.typed").is_file()
