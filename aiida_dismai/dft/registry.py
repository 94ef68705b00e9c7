"""Find the DFT engines that are installed, ours and anyone's, and that of a code or a job."""

from __future__ import annotations

from aiida.orm import AbstractCode

from ..engine.errors import BadInput
from ..engine.plugins import Broken, Registry
from .base import DftEngine

DFT_ENGINES: Registry[DftEngine] = Registry("dismai.dft", DftEngine, "DFT engine")  # type: ignore[type-abstract]
registered, names, find = DFT_ENGINES.registered, DFT_ENGINES.names, DFT_ENGINES.find


def engines() -> list[DftEngine]:
    """Return the engines that can be used, in the order of their names."""
    return [engine for engine in registered().values() if not isinstance(engine, Broken)]


def engine_of_plugin(plugin: str | None) -> DftEngine | None:
    """Return the engine that drives codes of a plugin, the first one of several; None if there is none."""
    return next((engine for engine in engines() if plugin in engine.plugins), None)


def engine_for(code: AbstractCode) -> DftEngine:
    """Return the engine of a code, which the plugin that it is set up for chooses.

    Raises:
        BadInput: no engine drives codes of this plugin (lists the engines), or several do.
    """
    plugin = code.default_calc_job_plugin
    found = [engine for engine in engines() if plugin in engine.plugins]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(engine.name for engine in found)
        raise BadInput(f"code {code.full_label}: several DFT engines drive its plugin '{plugin}': {listed}; keep one")
    known = [f"{engine.name} ({', '.join(engine.plugins)})" for engine in engines()]
    known += [f"{name} ({spec.summary})" for name, spec in registered().items() if isinstance(spec, Broken)]
    raise BadInput(
        f"code {code.full_label} is set up for the plugin '{plugin}', which no DFT engine drives; engines and their "
        f"plugins: {', '.join(known) or 'none is installed'}"
    )


def job_types() -> dict[str, DftEngine]:
    """Return the engine of each ``process_type`` of a DFT job."""
    return {f"aiida.calculations:{plugin}": engine for engine in engines() for plugin in engine.plugins}
