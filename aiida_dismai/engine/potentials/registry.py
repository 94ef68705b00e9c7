"""Find the calculators that are registered, and check their names and arguments; imports no torch.

Parameters name a calculator, and parameters come with the data sets of others. A registered calculator is chosen by
name, and its arguments are those that its spec allows. Any other, ``module:factory``, would be whatever function of
Python somebody has written down: it is called only where the environment of the task names it
(:data:`ALLOW_FACTORY`), which no file, node or archive can do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ..errors import BadInput, nearest
from ..parameters import Parameters, validate
from ..plugins import Registry, load_parameters
from ..text import visible
from .contract import CalculatorSpec

#: Environment variable with the factories that may be called, separated by commas or blanks.
ALLOW_FACTORY = "DISMAI_ALLOW_FACTORY"
FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)

CALCULATORS = Registry("dismai.calculators", CalculatorSpec, "calculator")
registered, find = CALCULATORS.registered, CALCULATORS.find


def is_factory(name: str) -> bool:
    """Whether it is ``module:factory``."""
    return FACTORY.fullmatch(name) is not None


def allowed_factory(name: str) -> None:
    """Refuse a factory that the environment does not name.

    Raises:
        BadInput: says how it is allowed.
    """
    if name not in os.environ.get(ALLOW_FACTORY, "").replace(",", " ").split():
        raise BadInput(
            f"calculator '{visible(name, 100)}' is a function of a Python module and no registered calculator, and is "
            f"not allowed here; where you trust it, set {ALLOW_FACTORY}={visible(name, 100)} in the environment of "
            "this task (for a code of AiiDA in its prepend text), or register it as a plug-in"
        )


def arguments_of(spec: CalculatorSpec, values: Mapping[str, Any], where: str = "calculator_kwargs") -> Parameters:
    """Check the arguments of a calculator with its own class, and fill in its defaults.

    Args:
        spec: the calculator.
        values: what was given.
        where: the name of the parameter that they were given by.

    Raises:
        BadInput: misspelt (names the nearest), not allowed, out of range.
    """
    model = load_parameters(spec.arguments, f"calculator '{spec.name}'")
    if values and not model.model_fields:
        more = "; another file or pair style: calculator 'lammps'" if spec.name in ("edip", "sw", "tersoff") else ""
        names = ", ".join(visible(name, 60) for name in sorted(map(str, values)))
        raise BadInput(f"calculator '{spec.name}' takes no {where} ({names}){more}")
    return validate(model, values, f"calculator '{spec.name}'")


def require_calculator(name: str, arguments: Mapping[str, Any], where: str = "calculator_kwargs") -> None:
    """Check a calculator as parameters name it; whether a factory is allowed is known only where the task runs.

    Raises:
        ValueError: neither registered nor like ``module:factory``, or arguments that it does not take.
    """
    if is_factory(name):
        return
    known = registered()
    if name not in known:
        raise ValueError(f"no calculator '{visible(name, 60)}'{nearest(name, [*known, 'module:factory'])}")
    try:
        arguments_of(find(name), arguments, where)
    except BadInput as error:
        raise ValueError(str(error)) from error
