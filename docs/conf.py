"""Configuration of Sphinx: Markdown through MyST, API pages from docstrings, no request to any network."""

import posixpath
import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

project = "aiida-dismai"
author = "The aiida-dismai developers"
copyright = "2026, the aiida-dismai developers"
version = release = installed("aiida-dismai")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Names of other projects are not looked up (that would need their inventories from the network), nor are ours that
# have no API page: a link to one that has a page is checked, in prose and in signatures alike.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!aiida_dismai\.engine\.(structures|metrics|generators\.contract)\b).*"),
]

html_theme = "pydata_sphinx_theme"
html_title = "aiida-dismai"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://github.com/aiida-dismai/aiida-dismai"
LINK = re.compile(r"\]\((\.\./[^)#\s]+)")


def link_to_repository(app: Any, docname: str, source: list[str]) -> None:
    """Turn relative links that leave ``docs`` into links to the repository; those that lead nowhere stay, and warn."""

    def replaced(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(docname), match[1]))
        if path.startswith(("docs/", "..")) or not (ROOT / path).exists():
            return match[0]
        return f"]({REPOSITORY}/{'tree' if (ROOT / path).is_dir() else 'blob'}/main/{path}"

    source[0] = LINK.sub(replaced, source[0])


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("source-read", link_to_repository)
