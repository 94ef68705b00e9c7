"""From a protocol, overrides and options to a builder, with all that is wrong said at once.

A builder refuses the first value that does not fit. :class:`Request` looks at the names in overrides and options first,
gathers the values in plain namespaces, and only then fills the builder: what that refuses is said together with the
misspelt names and with what the validators of the whole tree find.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.engine.processes.ports import PortNamespace

from ..engine.errors import BadInput
from .problems import Problem, ValidationProblems, text_of
from .protocols.names import Options


class RefusedInputs(BadInput, ValueError):
    """Inputs that are refused: for the command line like any bad input, for Python what a builder raises."""


class Draft(dict[str, Any]):
    """Inputs that nobody has looked at yet; a namespace is made when something is put into it."""

    def __missing__(self, name: str) -> Draft:
        """Make a namespace."""
        made = self[name] = Draft()
        return made

    def __getattr__(self, name: str) -> Any:
        """Return an input or a namespace."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an input."""
        self[name] = value

    def pruned(self) -> dict[str, Any]:
        """Return a copy without the namespaces that hold nothing."""
        plain = {name: value.pruned() if isinstance(value, Draft) else value for name, value in self.items()}
        return {name: value for name, value in plain.items() if not (isinstance(self[name], Draft) and not value)}


class Request:
    """What was asked of a WorkChain.

    Args:
        chain: its class, with protocols.
        overrides: a mapping, or the path of a YAML file.
        options: scheduler options.

    Attributes:
        overrides: those whose names are right.
        options: those whose names are right, None where none were given.
        problems: what is wrong so far.
        notes: what the user should see, though nothing is wrong with it.
        draft: to be filled with the inputs.
    """

    def __init__(
        self, chain: Any, overrides: Mapping[str, Any] | str | Path | None, options: Mapping[str, Any] | None
    ) -> None:
        self.chain = chain
        self.overrides, found = chain.check_overrides(overrides)
        self.problems = list(found)
        self.options = None
        if options is not None:
            self.options = Options().clean(options, "options", self.problems)
        self.draft = Draft()
        self.notes: list[str] = []

    def finish(self, whole: bool = False) -> ProcessBuilder:
        """Return the builder.

        Args:
            whole: refuse also what a submission would refuse; else only what a builder does.

        Raises:
            RefusedInputs: names and values that are refused; with them whatever else is wrong, each item with its path.
        """
        builder = self.chain.get_builder()
        problems = list(self.problems)
        refused = _fill(builder, self.draft.pruned(), builder._port_namespace)
        if problems or refused or whole:
            found = problems_of(self.chain, self.draft.pruned())
            # what the builder refused is there, too, and in more detail
            said = [f"{problem.path}." for problem in found]
            problems += [item for item in refused if not any(path.startswith(f"{item.path}.") for path in said)]
            problems += found
        if problems:
            raise RefusedInputs(text_of(problems))
        builder._notes = tuple(self.notes)
        return builder


def problems_of(chain: Any, inputs: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return everything that the validators of a process find in inputs.

    Args:
        chain: the class of the process.
        inputs: nested, without empty namespaces.
    """
    ports = chain.spec().inputs
    try:
        values = ports.serialize(_copy(inputs))
    except (TypeError, ValueError):
        return ()  # said where the builder was filled
    refused = ports.validate(ports.pre_process(values))
    if refused is None:
        return ()
    return refused.problems if isinstance(refused, ValidationProblems) else (Problem("", str(refused)),)


def _fill(target: Any, values: Mapping[str, Any], ports: PortNamespace, path: str = "") -> list[Problem]:
    """Set values in a builder's namespace, and return what it refuses."""
    found = []
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        port = ports.get(name)
        if isinstance(port, PortNamespace) and isinstance(value, Mapping) and port.ports:
            found += _fill(target[name], value, port, here)
            continue
        try:
            target[name] = value
        except (ValueError, TypeError, AttributeError) as error:
            text = " ".join(str(error).split()).removeprefix("invalid attribute value ")
            found.append(Problem(here, text))
    return found


def _copy(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings as dictionaries of their own, which AiiDA fills with defaults; nodes as they are."""
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in inputs.items()}
