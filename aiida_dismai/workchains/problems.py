"""What is wrong with the inputs of a workflow: all of it at once, each item with its path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from plumpy.ports import PortValidationError

from ..engine.text import visible

#: Characters of one problem at most.
LINE = 2000


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: dotted path of the input or override; "" for the inputs as a whole.
        message: what is wrong and what to do.
    """

    path: str
    message: str

    def below(self, path: str) -> Problem:
        """Return the problem as seen from a namespace further up."""
        return replace(self, path=".".join(part for part in (path, self.path) if part))

    @property
    def said(self) -> str:
        """The message, without a name in front that the path has, too."""
        return self.message.removeprefix(f"{self.path.rpartition('.')[2]}: ") if self.path else self.message


def text_of(problems: Iterable[Problem]) -> str:
    """Return one line for one problem, a list for several; what is wrong in several places is said once."""
    places: dict[str, list[str]] = {}
    for problem in problems:
        places.setdefault(problem.said, []).append(problem.path)
    lines = []
    for message, paths in places.items():
        named = ", ".join(dict.fromkeys(path for path in paths if path))
        lines.append(visible(f"{named}: {message}" if named else message, LINE))
    if len(lines) == 1:
        return lines[0]
    return "\n".join([f"{len(lines)} things are wrong:", *(f"- {line}" for line in lines)])


class ProblemText(str):
    """The answer of a validator that has found several problems: a text for AiiDA, and the problems one by one."""

    problems: tuple[Problem, ...]

    def __new__(cls, problems: Iterable[Problem]) -> ProblemText:
        """Keep the problems beside their text."""
        found = tuple(problems)
        text = super().__new__(cls, text_of(found))
        text.problems = found
        return text


def answer(problems: Iterable[Problem]) -> ProblemText | None:
    """Return what a validator returns: None where nothing is wrong."""
    found = tuple(problems)
    return ProblemText(found) if found else None


class ValidationProblems(PortValidationError):
    """What AiiDA gets from the validation of a namespace, with every problem in it."""

    def __init__(self, problems: Iterable[Problem], port: str) -> None:
        self.problems = tuple(problems)
        text = text_of(self.problems)
        super().__init__(text, port)
        self.args = (text,)  # AiiDA's own text names one port only
