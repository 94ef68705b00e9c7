"""What AiiDA writes into job scripts as it is: names of queues and accounts, files, resources, environment variables.

AiiDA quotes the words of commands, but the lines for the scheduler are not quoted: whatever stands behind a line end in
the name of a queue would be executed. Texts that are meant to be a part of the script (``prepend_text`` and the like)
are not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.text import visible

#: Names, with what sites write in them: several partitions, a queue at a server, a share of an account.
WORD = re.compile(r"[A-Za-z0-9_][\w.@,:+/=%-]*", re.ASCII)
#: Options that are one such word, and those that name a file in the job's folder.
WORDS = ("queue_name", "account", "qos", "priority", "computer")
FILES = ("scheduler_stdout", "scheduler_stderr", "submit_script_filename", "input_filename", "output_filename")
FILE = re.compile(r"[A-Za-z0-9_][\w.+%-]*", re.ASCII)
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def script_problems(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and reason of every option that would put more into a job script than a word.

    Args:
        options: as a job gets them.
    """
    for names, pattern, what in (
        (WORDS, WORD, "letters, digits and _ . @ , : + / = % -"),
        (FILES, FILE, "letters, digits and _ . + % -, without a folder"),
    ):
        for name in names:
            value = options.get(name)
            if isinstance(value, str) and value and not pattern.fullmatch(value):
                yield name, f"'{visible(value, 60)}': it goes into the job's script unquoted; take {what}"
    resources = options.get("resources")
    for key, value in resources.items() if isinstance(resources, Mapping) else ():
        for word in (key, value):
            if isinstance(word, str) and word and not WORD.fullmatch(word):
                yield "resources", f"'{visible(word, 60)}': it goes into the job's script unquoted; take a word"
    variables = options.get("environment_variables")
    for name in variables if isinstance(variables, Mapping) else ():
        if not (isinstance(name, str) and VARIABLE.fullmatch(name)):
            yield "environment_variables", f"'{visible(name, 60)}' cannot be the name of a variable"


def executable_problem(code: Any) -> str | None:
    """Say why the executable of a code cannot stand in a script; None if it can.

    Args:
        code: any code of AiiDA.
    """
    path = str(code.get_executable())
    if not path.isprintable():
        return f"its executable '{visible(path, 120)}' has characters that no path needs"
    if code.use_double_quotes and re.search(r"[$`\\\"]", path):
        return f"its executable '{visible(path, 120)}' would be expanded by the shell (use_double_quotes)"
    return None
