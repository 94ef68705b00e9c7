"""The page of nodes and processes, from the entry points and the process specs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

from aiida.engine import CalcJob
from aiida.engine.processes.functions import FunctionProcess
from aiida.engine.processes.ports import PortNamespace
from reference_tables import NOTE, section, table

from aiida_dismai.calculations.base import TaskCalculation
from aiida_dismai.workchains.restart import RestartTaskWorkChain

PREFIX = "dismai."
#: Exit codes that AiiDA gives every process.
OF_EVERY_PROCESS = (1, 2, 10, 11)


def first_paragraph(thing: Any) -> str:
    """Return the first paragraph of a docstring, roles of reStructuredText as plain code."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    for role in (":class:", ":func:", ":mod:"):
        text = text.replace(role, "")
    return text.replace("``", "`").replace("`~aiida_dismai.", "`aiida_dismai.")


def loaded(group: str) -> dict[str, Any]:
    """Return the project's entry points of a group, loaded, by name."""
    return {
        point.name: point.load()
        for point in sorted(entry_points(group=group), key=lambda point: point.name)
        if point.name.startswith(PREFIX)
    }


def type_names(port: Any) -> str:
    """Return the types that a port takes."""
    valid = port.valid_type
    if valid is None:
        return "any"
    types = valid if isinstance(valid, tuple) else (valid,)
    return " or ".join(item.__name__ for item in types if item is not type(None))


def exposed(spec: Any) -> dict[str, list[type]]:
    """Return what a spec exposes below a namespace: namespace → classes."""
    return {namespace: list(classes) for namespace, classes in spec._exposed_inputs.items() if namespace is not None}


def input_rows(
    namespace: PortNamespace,
    known: Mapping[str, list[type]],
    names: Mapping[type, str],
    path: str = "",
    given: str = "",
) -> list[Any]:
    """Return a row for each port; a namespace that exposes another process is one row.

    Args:
        namespace: the ports.
        known: :func:`exposed` of the spec.
        names: what processes are called.
        path: of the namespace, with a dot behind it.
        given: the optional namespace in which this one lies, if any.
    """
    rows: list[Any] = []
    for name, port in namespace.items():
        full = f"{path}{name}"
        if full in known:
            for cls in known[full]:
                missing = [item for item in cls.spec().inputs if item not in port and item != "metadata"]
                but = f", without {', '.join(f'`{item}`' for item in missing)}" if missing else ""
                rows.append(
                    (
                        f"`{full}.…`",
                        need(port, given),
                        "namespace",
                        f"the inputs of {names.get(cls, cls.__name__)}{but}",
                    )
                )
        elif name == "metadata":
            continue
        elif isinstance(port, PortNamespace):
            rows += input_rows(port, known, names, f"{full}.", given if port.required else full)
        else:
            rows.append((f"`{full}`", need(port, given), type_names(port), port.help or ""))
    return rows


def need(port: Any, given: str = "") -> str:
    """Say whether a port must be given; ``given`` is the optional namespace that it lies in."""
    required = port.required and (isinstance(port, PortNamespace) or not port.has_default())
    if not required:
        return "no"
    return f"with `{given}`" if given else "yes"


def output_rows(namespace: PortNamespace, path: str = "") -> list[Any]:
    """Return a row for each output port."""
    rows: list[Any] = []
    for name, port in namespace.items():
        if isinstance(port, PortNamespace):
            if port.dynamic:
                rows.append((f"`{path}{name}.…`", "sometimes", type_names(port), port.help or ""))
            rows += output_rows(port, f"{path}{name}.")
        else:
            always = "always" if port.required else "sometimes"
            rows.append((f"`{path}{name}`", always, type_names(port), port.help or ""))
    return rows


def exit_rows(codes: Any, but: Iterable[int] = ()) -> list[Any]:
    """Return a row for each exit code, except those of ``but``."""
    left_out = set(but)
    return [
        (code.status, f"`{label}`", code.message)
        for label, code in sorted(codes.items(), key=lambda item: item[1].status)
        if code.status not in left_out
    ]


def class_path(cls: Any) -> str:
    """Return the import path of a class or function."""
    return f"{cls.__module__}.{cls.__qualname__}"


INPUT_HEADS = ("input", "required", "type", "")
OUTPUT_HEADS = ("output", "given", "type", "")
EXIT_HEADS = ("status", "label", "message")


def processes_page() -> str:
    """Return the page of nodes and processes."""
    data, calculations = loaded("aiida.data"), loaded("aiida.calculations")
    workflows = loaded("aiida.workflows")
    jobs = {name: cls for name, cls in calculations.items() if inspect.isclass(cls)}
    functions = {name: item for name, item in calculations.items() if name not in jobs}
    names = {cls: f"the CalcJob `{name}`" for name, cls in jobs.items()}
    names |= {cls: f"`{name}`" for name, cls in workflows.items()}
    # a job that draws random numbers has all of the ports that are common
    seeded = next(cls for cls in jobs.values() if "seed" in cls.spec().inputs)
    common = {port: spec for port, spec in seeded.spec().inputs.items() if port != "metadata"}
    shared_inputs = [name for name in ("code", "parameters", "seed", "parent_folder") if name in common]
    # AiiDA's own are described in its documentation
    of_aiida = CalcJob.spec()
    engine_codes = [code.status for code in of_aiida.exit_codes.values()]
    known_ports = {*shared_inputs, *of_aiida.inputs, *of_aiida.outputs, "results"}
    codes = next(iter(jobs.values())).spec().exit_codes.values()
    uncached = [code.status for code in codes if code.invalidates_cache and code.status not in engine_codes]

    parts = [
        NOTE,
        "# Nodes and processes\n\nEvery entry point of the package. A port that is `required: yes` has no default. The "
        "usual `metadata` (label, description, and the scheduler options of CalcJobs) is left out.\n",
        "## Nodes\n",
        table(
            ("entry point", "class", ""),
            ((f"`{n}`", f"`{class_path(c)}`", first_paragraph(c)) for n, c in data.items()),
        ),
        "## CalcJobs\n\nEach runs one task of the engine; [tasks](tasks.md) has the parameters.\n",
        "### Common to all\n",
        table(
            INPUT_HEADS,
            (
                # AiiDA lets the code be missing only where the results of a job run without it are imported
                (f"`{name}`", "yes" if name == "code" else need(port), type_names(port), general_help(name, port))
                for name, port in common.items()
                if name in shared_inputs
            ),
        ),
        "`seed` is an input of those that draw random numbers. All give `results`, a Dict of the scalars of "
        "`results.json`, and AiiDA's `retrieved` and `remote_folder`.\n",
        table(EXIT_HEADS, exit_rows(shared_spec().exit_codes, engine_codes)),
        "100–160 are AiiDA's own (out of memory, out of wall time, …) and are respected. A job that ended with "
        f"{', '.join(str(status) for status in uncached)} is never taken from the cache.\n",
    ]
    for name, cls in jobs.items():
        spec = cls.spec()
        own = [row for row in input_rows(spec.inputs, {}, names) if row[0].strip("`") not in known_ports]
        seed = " Needs a `seed`." if "seed" in spec.inputs else ""
        parts += [
            f"### `{name}`\n\n{first_paragraph(cls)} `{class_path(cls)}`, task `{cls.TASK}`.{seed}\n",
            table(INPUT_HEADS, own),
            table(OUTPUT_HEADS, (row for row in output_rows(spec.outputs) if row[0].strip("`") not in known_ports)),
        ]
    parts.append("## Calcfunctions\n")
    rows = [
        (f"`{name}`", ", ".join(f"`{port}`" for port in function_inputs(item)), first_paragraph(item))
        for name, item in functions.items()
    ]
    parts.append(table(("entry point", "inputs", ""), rows))
    parts += ["## WorkChains\n", *restarts(workflows)]
    for name, cls in workflows.items():
        parts += workchain(name, cls, names)
    return section(*parts)


def restarts(workflows: Mapping[str, Any]) -> list[str]:
    """Return the part about what all restarting WorkChains share."""
    wrapped = [(name, cls) for name, cls in workflows.items() if issubclass(cls, RestartTaskWorkChain)]
    codes = [exit_rows(cls.spec().exit_codes, OF_EVERY_PROCESS) for _, cls in wrapped]
    if any(item != codes[0] for item in codes):
        raise SystemExit("the restarting WorkChains do not share their exit codes: list them one by one")
    listed = ", ".join(f"`{name}`" for name, _ in wrapped)
    return [
        f"### Restarting jobs\n\n{listed} run one CalcJob from checkpoint to checkpoint until it is done. They take "
        "its inputs, `options`, and those of AiiDA's `BaseRestartWorkChain` (`max_iterations`, `clean_workdir`, "
        "`handler_overrides`, …), and give its outputs.\n",
        table(EXIT_HEADS, codes[0]),
    ]


def workchain(name: str, cls: Any, names: Mapping[type, str]) -> list[str]:
    """Return the part about one WorkChain."""
    spec = cls.spec()
    parts = [f"### `{name}`\n\n{first_paragraph(cls)} `{class_path(cls)}`\n"]
    if hasattr(cls, "get_available_protocols"):
        protocols = ", ".join(f"`{item}`" for item in cls.get_available_protocols())
        parts.append(f"Protocols: {protocols}; the default is `{cls.get_default_protocol()}`.\n")
    if issubclass(cls, RestartTaskWorkChain):
        job = names[cls._process_class]
        rows = [
            ("`…`", "", "", f"the inputs of {job} (without `metadata`)"),
            ("`options`", "yes", "Dict", spec.inputs["options"].help),
        ]
        return [*parts, table(INPUT_HEADS, rows), f"Outputs: those of {job}.\n"]
    return [
        *parts,
        table(INPUT_HEADS, input_rows(spec.inputs, exposed(spec), names)),
        table(OUTPUT_HEADS, output_rows(spec.outputs)),
        table(EXIT_HEADS, exit_rows(spec.exit_codes, OF_EVERY_PROCESS)),
    ]


def general_help(name: str, port: Any) -> str:
    """Return the help of a common port without the name of one task in it."""
    if name == "parameters":
        return "Parameters of the task; `dismai schema TASK` prints names, units, defaults and bounds."
    return str(port.help or "")


def task_classes(parent: type[TaskCalculation]) -> list[type[TaskCalculation]]:
    """Return the CalcJobs that run a task; some have a parent in common."""
    children = [cls for child in parent.__subclasses__() for cls in task_classes(child)]
    return children or [parent]


def shared_spec() -> Any:
    """Return the spec of any task, for the exit codes that all share; refuses to write if they differ."""
    specs = [cls.spec() for cls in task_classes(TaskCalculation)]
    codes = [exit_rows(spec.exit_codes) for spec in specs]
    if any(item != codes[0] for item in codes):
        raise SystemExit("the CalcJobs do not share their exit codes: list them one by one")
    return specs[0]


def function_inputs(function: Any) -> list[str]:
    """Return the names of the inputs of a calcfunction; ``…`` where it takes any number of them."""
    process_class: type[FunctionProcess] = function.process_class
    spec = process_class.spec()
    names = [name for name in spec.inputs if name != "metadata"]
    return names + (["…"] if spec.inputs.dynamic else [])
