"""What inputs would execute beside the project's own code: names of others, and what goes into job scripts.

Inputs come out of files and out of nodes that were imported. Here they are only read: a calculator is called where its
task runs, and a function of a module only if the environment there names it (``DISMAI_ALLOW_FACTORY``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import BadInput
from ..engine.text import visible

#: Entries of parameters that name a calculator, with the entry of its arguments.
CALCULATORS = {"calculator": "calculator_kwargs", "potential": "potential_kwargs"}
#: Options of jobs whose text becomes a part of the script that is executed.
SCRIPT = (
    "prepend_text", "append_text", "environment_variables", "mpirun_extra_params", "custom_scheduler_commands",
    "environment_variables_double_quotes", "use_double_quotes", "shebang",
)  # fmt: skip
#: Begins the lines that `--gpus` adds itself.
OWN = "#SBATCH --gres=gpu:"
#: What begins scripts unless something else is set.
SHELL = "#!/bin/bash"


def executed(inputs: Any) -> list[str]:
    """Return a line for everything in nested inputs that would execute something else than registered names.

    Args:
        inputs: mappings of mappings, nodes and values: the inputs of a builder, or attributes of a node.
    """
    return list(dict.fromkeys(_lines(inputs)))


def _lines(inputs: Any) -> Iterator[str]:
    waiting: list[tuple[str, Any]] = [("", inputs)]
    while waiting:
        path, value = waiting.pop()
        value = value.get_dict() if hasattr(value, "get_dict") else value
        if isinstance(value, (list, tuple)):
            waiting += [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        if not isinstance(value, Mapping):
            continue
        for name, item in value.items():
            place = f"{path}.{name}".lstrip(".")
            if name in CALCULATORS and isinstance(item, str) and (line := foreign_calculator(item)):
                yield f"{line} ({visible(place, 100)})"
            elif name in SCRIPT and item and not str(item).startswith(OWN) and item != SHELL:
                yield f"text in the job's script: '{visible(item, 80)}' ({visible(place, 100)})"
            waiting.append((place, item))


def foreign_calculator(name: str) -> str | None:
    """Return what naming a calculator so would execute; None where it is registered."""
    from ..engine.potentials.registry import ALLOW_FACTORY, is_factory, registered

    if is_factory(name):
        return f"the function '{visible(name, 100)}' of a Python module, where {ALLOW_FACTORY} allows it"
    return None if name in registered() else f"a calculator '{visible(name, 60)}' that is not registered here"


def inherited_relaxation(node: Any, parameters: Any) -> dict[str, Any]:
    """Return the parameters of a relaxation that another process ran with, if they may be inherited.

    Args:
        node: the process, which may be somebody else's.
        parameters: the node of its parameters.

    Raises:
        BadInput: no such parameters, or they name a calculator that is not registered, or arguments that it does not
            take; names the process.
    """
    from aiida.orm import Dict

    from ..engine.parameters import validate
    from ..engine.potentials.parameters import RelaxParameters

    where = f"{node.process_label}<{node.pk}>"
    advice = (
        "it is not run by inheritance: compare with its training set (the PK of the set in place of the process), and "
        "name a calculator in --overrides, or give --potential"
    )
    if not isinstance(parameters, Dict):
        raise BadInput(f"dataset: {where} does not say what its structures were relaxed with; {advice}")
    values = parameters.get_dict()
    name = values.get("calculator")
    if isinstance(name, str) and (line := foreign_calculator(name)):
        raise BadInput(f"dataset: the structures of {where} were relaxed with {line}; {advice}")
    try:
        validate(RelaxParameters, values, f"dataset: what the structures of {where} were relaxed with")
    except BadInput as error:
        raise BadInput(f"{visible(error, 1000)}; {advice}") from error
    return values
