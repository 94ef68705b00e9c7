"""ASE calculators by name: our M3GNet, CHGNet, potentials of LAMMPS, a GAP, or any other as ``module:factory``.

A second potential architecture needs no change here (see :mod:`.architectures`); a calculator that
comes with its own weights or takes a potential file gets a line in :data:`BUILT_IN`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from ..errors import BadInput, nearest
from ..structures import StructureSet
from ..structures.convert import EV_PER_A3_IN_GPA, to_voigt
from .folder import TrainedPotential, load_potential
from .parameters import LAMMPS_CALCULATORS


class PotentialCalculator(Calculator):
    """ASE calculator of a :class:`~.folder.TrainedPotential`.

    Beside matgl's ``PESCalculator`` it keeps the network in eval mode (which halves time and memory),
    differentiates with respect to the cell only when the stress is asked for, and adds the reference
    energies in double precision. Stress is in ASE's eV/Å³, Voigt order.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, trained: TrainedPotential) -> None:
        """Keep the potential."""
        super().__init__()
        self.trained = trained

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces, and the stress when it is among ``properties``."""
        super().calculate(atoms, properties, system_changes)
        import torch

        builder, potential = self.trained.builder, self.trained.potential
        numbers, cell = self.atoms.numbers, self.atoms.cell.array
        graph = builder.graph(numbers, self.atoms.positions, cell, self.atoms.pbc)
        potential.calc_stresses = "stress" in (properties or ())
        lattice = torch.from_numpy(cell.astype(np.float32))[None]
        energy, forces, stress, _ = potential(graph.to(self.trained.device), lattice.to(self.trained.device))
        total = float(energy.detach()) + self.trained.reference_energy(numbers)
        self.results = {
            "energy": total,
            "free_energy": total,
            "forces": forces.detach().cpu().numpy().astype(np.float64),
        }
        if potential.calc_stresses:
            tensor = stress.detach().cpu().numpy().astype(np.float64).reshape(3, 3)
            self.results["stress"] = to_voigt(tensor) / EV_PER_A3_IN_GPA


def chgnet(device: str, arguments: Mapping[str, Any], numbers: NDArray[np.integer]) -> Calculator:
    """Build CHGNet's own calculator with the weights that its wheel carries, for any element.

    Raises:
        BadInput: chgnet is not installed, or does not take the arguments.
    """
    try:
        from chgnet.model.dynamics import CHGNetCalculator
    except ImportError as error:
        raise BadInput("calculator 'chgnet': install it with `pip install aiida-dismai[demo]`") from error

    class ForcesFirst(CHGNetCalculator):
        """CHGNet that leaves out stress and magnetic moments unless they are asked for."""

        def calculate(  # type: ignore[override]
            self,
            atoms: Atoms | None = None,
            properties: list[str] | None = None,
            system_changes: list[str] | None = None,
        ) -> None:
            """Compute what ``properties`` need."""
            wanted = set(properties or ())
            task: Literal["ef", "efs", "efsm"] = (
                "efsm" if "magmoms" in wanted else "efs" if "stress" in wanted else "ef"
            )
            super().calculate(atoms, properties, system_changes, task=task)

    # ASE's base class swallows any keyword, so a misspelt one would do nothing, silently.
    known = [name for name in inspect.signature(CHGNetCalculator.__init__).parameters if name not in ("self", "kwargs")]
    for name in arguments:
        if name not in known:
            raise BadInput(f"relax: calculator 'chgnet' does not take calculator_kwargs '{name}'{nearest(name, known)}")
    return _call("chgnet", ForcesFirst, {"use_device": device, "on_isolated_atoms": "ignore", **arguments})


def _lammps(name: str) -> Callable[[str, Mapping[str, Any], NDArray[np.integer]], Any]:
    """Return what builds the calculator of a potential of LAMMPS; see :mod:`.lammps_potentials`."""

    def build(device: str, arguments: Mapping[str, Any], numbers: NDArray[np.integer]) -> Any:
        from .lammps import LammpsCalculator
        from .lammps_potentials import pair_potential

        potential = pair_potential(name, arguments)
        potential.require_known(numbers.tolist(), "relax")
        return LammpsCalculator(potential)

    return build


def _gap(device: str, arguments: Mapping[str, Any], numbers: NDArray[np.integer]) -> Any:
    """Build the calculator of a GAP; see :mod:`.gap`."""
    from .gap import gap

    return gap(arguments, numbers.tolist())


#: Calculators that bring their own weights or read a potential file: called with the device, the keyword arguments and
#: the atomic numbers that will be computed, ``(n,)``.
BUILT_IN: dict[str, Callable[[str, Mapping[str, Any], NDArray[np.integer]], Any]] = {
    "chgnet": chgnet,
    **{name: _lammps(name) for name in LAMMPS_CALCULATORS},
    "gap": _gap,
}


def make_calculator(
    name: str, arguments: Mapping[str, Any], potential: Path | None, device: str, structures: StructureSet
) -> Any:
    """Build a calculator.

    Args:
        name: ``m3gnet``, a name of :data:`BUILT_IN`, or ``module:factory``; a factory is called with the
            arguments alone and knows nothing of the device.
        arguments: keyword arguments for the calculator.
        potential: folder of the trained potential, for ``m3gnet``.
        device: ``cpu`` or ``cuda``.
        structures: what will be computed; elements that the potential does not know are refused.

    Raises:
        BadInput: a potential that is missing or not wanted, unknown elements, a module or factory that is
            not there, or arguments that it does not take.
        BadWeights: a damaged potential.
    """
    if name == "m3gnet":
        if potential is None:
            raise BadInput(
                "relax: calculator 'm3gnet' needs the input 'potential', the folder that potential.train wrote; "
                "without one, choose calculator 'edip' (silicon), 'chgnet' or 'module:factory'"
            )
        if arguments:
            raise BadInput(f"relax: calculator 'm3gnet' takes no calculator_kwargs ({', '.join(sorted(arguments))})")
        trained = load_potential(potential, device)
        trained.builder.require_known(structures.numbers, "relax")
        return PotentialCalculator(trained)
    if potential is not None:
        raise BadInput(f"relax: the input 'potential' is given, but calculator '{name}' does not use it; drop one")
    if name in BUILT_IN:
        return BUILT_IN[name](device, arguments, structures.numbers)
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"relax: calculator '{name}': {error}; install it where this task runs, or put its folder on PYTHONPATH"
        ) from error
    except (ImportError, AttributeError) as error:
        raise BadInput(f"relax: calculator '{name}': {error}") from error
    return _call(name, factory, arguments)


def _call(name: str, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        calculator = factory(**arguments)
    except (TypeError, ValueError, KeyError) as error:
        raise BadInput(
            f"relax: calculator '{name}' does not take calculator_kwargs {dict(arguments)}: {error}"
        ) from error
    if not hasattr(calculator, "get_property"):
        raise BadInput(f"relax: '{name}' gave a {type(calculator).__name__}, which is not an ASE calculator")
    return calculator
