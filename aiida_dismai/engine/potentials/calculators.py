"""ASE calculators by name: those that are registered, ours like anyone's, or a factory that the environment allows.

A second potential architecture needs no change here (see :mod:`.architectures`); a calculator that comes with its own
weights or takes a potential file registers itself (:mod:`.contract`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ..errors import BadInput
from ..plugins import import_name, load
from ..structures import StructureSet
from ..structures.convert import to_voigt
from ..units import EV_PER_A3_IN_GPA
from .contract import CalculatorRequest
from .registry import allowed_factory, arguments_of, find, is_factory

if TYPE_CHECKING:
    from .folder import TrainedPotential


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


def build_m3gnet(request: CalculatorRequest) -> Calculator:
    """Build the calculator of a trained potential.

    Raises:
        BadInput: elements that it does not know.
        BadWeights: a damaged potential.
    """
    assert request.potential is not None
    from .folder import load_potential  # with torch and torch_geometric, which other calculators do without

    trained = load_potential(request.potential, request.device)
    trained.builder.require_known(request.numbers, "relax")
    return PotentialCalculator(trained)


def build_chgnet(request: CalculatorRequest) -> Calculator:
    """Build CHGNet's own calculator with the weights that its wheel carries, for any element.

    Raises:
        BadInput: chgnet is not installed.
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

    given = {name: value for name, value in request.arguments.model_dump().items() if value is not None}
    return ForcesFirst(**{"use_device": request.device, **given})


def build_lammps(request: CalculatorRequest) -> Calculator:
    """Build the calculator of a potential of LAMMPS; see :mod:`.lammps_potentials`."""
    from .lammps import LammpsCalculator
    from .lammps_potentials import pair_potential

    potential = pair_potential(request.name, request.arguments.model_dump())
    potential.require_known(request.numbers.tolist(), "relax")
    return LammpsCalculator(potential)


def build_gap(request: CalculatorRequest) -> Any:
    """Build the calculator of a GAP; see :mod:`.gap`."""
    from .gap import gap

    return gap(request.arguments, request.numbers.tolist())


def make_calculator(
    name: str, arguments: Mapping[str, Any], potential: Path | None, device: str, structures: StructureSet
) -> Any:
    """Build a calculator.

    Args:
        name: of a registered calculator, or ``module:factory``; a factory is called with the arguments alone and
            knows nothing of the device.
        arguments: keyword arguments for the calculator.
        potential: folder of the trained potential, for ``m3gnet``.
        device: ``cpu`` or ``cuda``.
        structures: what will be computed; elements that the potential does not know are refused.

    Raises:
        BadInput: a potential that is missing or not wanted, unknown elements, arguments that the calculator does not
            take, or a factory that the environment does not allow or that is not there.
        BadWeights: a damaged potential.
    """
    if is_factory(name):
        _refuse_potential(name, potential)
        return _made_by_factory(name, arguments)
    spec = find(name)
    if not spec.takes_potential:
        _refuse_potential(name, potential)
    elif potential is None:
        raise BadInput(
            f"relax: calculator '{name}' needs the input 'potential', the folder that potential.train wrote; without "
            "one, choose another calculator, such as 'edip' (silicon) or 'chgnet'"
        )
    request = CalculatorRequest(name, arguments_of(spec, arguments), device, structures.numbers, potential)
    return _calculator(name, load(spec.build)(request))


def _refuse_potential(name: str, potential: Path | None) -> None:
    if potential is not None:
        raise BadInput(f"relax: the input 'potential' is given, but calculator '{name}' does not use it; drop one")


def _made_by_factory(name: str, arguments: Mapping[str, Any]) -> Any:
    allowed_factory(name)
    try:
        factory: Callable[..., Any] = import_name(name)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"relax: calculator '{name}': {error}; install it where this task runs, or put its folder on PYTHONPATH"
        ) from error
    except (ImportError, AttributeError) as error:
        raise BadInput(f"relax: calculator '{name}': {error}") from error
    try:
        return _calculator(name, factory(**arguments))
    except (TypeError, ValueError, KeyError) as error:
        raise BadInput(
            f"relax: calculator '{name}' does not take calculator_kwargs {dict(arguments)}: {error}"
        ) from error


def _calculator(name: str, made: Any) -> Any:
    if not hasattr(made, "get_property"):
        raise BadInput(f"relax: '{name}' gave a {type(made).__name__}, which is not an ASE calculator")
    return made
