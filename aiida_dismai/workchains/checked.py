"""WorkChains whose inputs are validated as a whole: every port, every namespace, and all that is wrong said at once.

AiiDA stops at the first port that refuses its value. A user who corrects one thing after the other wants to hear of all
of them, and before anything runs. So does a WorkChain whose child refuses its inputs: it ends with an exit code that
says why, instead of with an exception.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiida.engine import WorkChain
from aiida.engine.processes.ports import PortNamespace
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.orm import ProcessNode
from plumpy import workchains
from plumpy.ports import UNSPECIFIED, PortValidationError

from ..engine.errors import BadInput, DismaiError
from ..exit_codes import STEP, declare
from .problems import Problem, ProblemText, ValidationProblems, answer

Validator = Callable[[Any, Any], str | None]


class WholeNamespace(PortNamespace):
    """A namespace whose validation goes on after the first refusal."""

    def validate(
        self, port_values: Mapping[str, Any] | None = None, breadcrumbs: Sequence[str] = ()
    ) -> PortValidationError | None:
        """Validate all ports, then the namespace as a whole.

        The namespace's own validator is called also where ports refused their values; should it stumble over these,
        what they said stands for it.
        """
        values = port_values or {}
        if not isinstance(values, Mapping) or (not values and not self.required):
            return super().validate(values, breadcrumbs)
        crumbs = (*breadcrumbs, self.name)
        rest, found = dict(values), list[Problem]()
        for name, port in self._ports.items():
            error = port.validate(rest.pop(name, UNSPECIFIED), crumbs)
            if error is not None:
                found += _problems_of(error, ".".join(crumbs), name)
        error = self.validate_dynamic_ports(rest, breadcrumbs)
        if error is not None:
            found += [
                Problem("", f"no such inputs: {', '.join(map(str, rest))}" if not self.dynamic else error.message)
            ]
        found += self._whole(dict(values), bool(found))
        return ValidationProblems(found, ".".join(crumbs)) if found else None

    def _whole(self, values: dict[str, Any], excused: bool) -> list[Problem]:
        """Return what the namespace's validator says."""
        if self.validator is None:
            return []
        arguments = (values, self) if len(inspect.getfullargspec(self.validator)[0]) > 1 else (values,)
        try:
            message = self.validator(*arguments)
        except Exception:
            if excused:
                return []
            raise
        if isinstance(message, ProblemText):
            return list(message.problems)
        return [] if message is None else [Problem("", message)]


def _problems_of(error: PortValidationError, parents: str, name: str) -> list[Problem]:
    """Return the problems of a port as seen from its namespace, whose own path is ``parents``."""
    if isinstance(error, ValidationProblems):
        return [problem.below(name) for problem in error.problems]
    # an ordinary namespace gives the whole path
    path = error.port.removeprefix(f"{parents}.")
    path = path if path.startswith(name) else name
    if isinstance(error.message, ProblemText):
        return [problem.below(path) for problem in error.message.problems]
    return [Problem(path, _plain(error.message))]


def _plain(message: str) -> str:
    """Return what a port says about a type without Python's names for classes."""
    found = re.search(r"is not of the right type\. Got '<class '([\w.]+)'>', expected '(.+)'", message)
    if found is None:
        return message
    given, wanted = (
        found[1].rpartition(".")[2],
        [name.rpartition(".")[2] for name in re.findall(r"<class '([\w.]+)'>", found[2])],
    )
    return f"must be {' or '.join(name for name in wanted if name != 'NoneType')} (given: {given})"


class CheckedSpec(WorkChainSpec):
    """The specification of a :class:`CheckedWorkChain`."""

    PORT_NAMESPACE_TYPE = WholeNamespace

    def outline(self, *steps: Any) -> None:
        """Define the order of the steps: methods of the WorkChain, or blocks of :func:`if_` and :func:`while_`."""
        super().outline(*steps)


# AiiDA types the steps of an outline as functions of any WorkChain, which no method of a subclass is.
def if_(condition: Callable[[Any], bool]) -> Callable[..., Any]:
    """Return what takes the steps that run if a method says so."""
    return workchains.if_(condition)


def while_(condition: Callable[[Any], bool]) -> Callable[..., Any]:
    """Return what takes the steps that run again and again while a method says so."""
    return workchains.while_(condition)


class CheckedWorkChain(WorkChain):
    """A WorkChain that validates all its inputs, and survives a step that refuses what it is given."""

    _spec_class = CheckedSpec

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare the exit code of a refused step."""
        super().define(spec)
        declare(spec, STEP)

    def submit(self, process: Any, inputs: dict[str, Any] | None = None, **more: Any) -> ProcessNode:
        """Submit a child.

        Raises:
            BadInput: the child refuses its inputs; says which and why.
        """
        try:
            return super().submit(process, inputs, **more)
        except (ValueError, TypeError) as error:
            name = getattr(process, "__name__", str(process))
            raise BadInput(f"{name} cannot be started: {' '.join(str(error).split())}") from error

    def _do_step(self) -> Any:
        """Run the next step; where it refuses what it is given, the process fails with an exit code that says why."""
        try:
            return super()._do_step()
        except DismaiError as error:
            self.report(str(error))
            return self.exit_codes.ERROR_STEP_REFUSED.format(message=str(error))


def together(*validators: Validator | None) -> Validator:
    """Return a validator that asks all of these and passes on everything they say."""
    asked = [validator for validator in validators if validator is not None]

    def validate(inputs: Any, port: Any) -> str | None:
        found: list[Problem] = []
        for validator in asked:
            said = validator(inputs, port)
            if isinstance(said, ProblemText):
                found += said.problems
            elif said is not None:
                found.append(Problem("", said))
        return answer(found)

    return validate
