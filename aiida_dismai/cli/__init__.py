"""The command line `aiida-dismai`: one module for each group of commands.

``root`` holds the group itself and how errors become one line, ``profiles`` loads the profile and nodes,
``console`` prints. Nothing here imports AiiDA, torch or plotly before a command runs, so that ``--help``
is quick.
"""

from .root import main

__all__ = ["main"]
