"""Configuration of Sphinx: Markdown through MyST, nothing generated at build time."""

from importlib.metadata import version as installed

project = "aiida-dismai"
author = "The aiida-dismai developers"
copyright = "2026, the aiida-dismai developers"
version = release = installed("aiida-dismai")

extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "pydata_sphinx_theme"
html_title = "aiida-dismai"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
