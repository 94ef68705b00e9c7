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
from .contract import CalculatorRequest, CalculatorSpec, Evaluator
from .registry import allowed_factory, arguments_of, find, is_factory

if TYPE_CHECKING:
    from .evaluator import Site
    from .folder import TrainedPotential


class PotentialCalculator(Calculator):
    """ASE calculator of a :class:`~.folder.TrainedPotential`.

    Beside matgl's ``PESCalculator`` it evaluates the same function in fewer operations (:mod:`.m3gnet`), keeps the list
    of bonds while atoms move little, computes the stress only when it is asked for, and adds the reference energies in
    double precision. Stress is in ASE's eV/Å³, Voigt order.

    Args:
        trained: the potential.
        precision: see :class:`~.evaluator.TrainedEvaluator`.
        compiled: likewise.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, trained: TrainedPotential, precision: str = "float32", compiled: bool = False) -> None:
        super().__init__()
        from .evaluator import TrainedEvaluator

        self.trained = trained
        self.evaluator = TrainedEvaluator(trained, precision, compiled)
        self._site: Site | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces, and the stress when it is among ``properties``."""
        super().calculate(atoms, properties, system_changes)
        from .evaluator import Site

        site = self._site
        if site is None or not np.array_equal(site.numbers, self.atoms.numbers) or (site.pbc != self.atoms.pbc).any():
            site = self._site = Site(self.evaluator, self.atoms.numbers, self.atoms.pbc)
        wanted = "stress" in (properties or ())
        found = self.evaluator.evaluate([site], [self.atoms.positions], [self.atoms.cell.array], wanted)[0]
        self.results = {"energy": found.energy, "free_energy": found.energy, "forces": found.forces}
        if found.stress is not None:
            self.results["stress"] = to_voigt(found.stress)


def build_m3gnet(request: CalculatorRequest) -> Calculator:
    """Build the calculator of a trained potential.

    Raises:
        BadInput: elements that it does not know.
        BadWeights: a damaged potential.
    """
    return PotentialCalculator(_trained(request), request.precision, request.compiled)


def build_evaluator(request: CalculatorRequest) -> Evaluator:
    """Build what evaluates a trained potential on batches; raises as :func:`build_m3gnet`."""
    from .evaluator import TrainedEvaluator

    return TrainedEvaluator(_trained(request), request.precision, request.compiled)


def _trained(request: CalculatorRequest) -> TrainedPotential:
    assert request.potential is not None
    from .folder import load_potential  # with torch and torch_geometric, which other calculators do without

    trained = load_potential(request.potential, request.device)
    trained.builder.require_known(request.numbers, "relax")
    return trained


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
    name: str,
    arguments: Mapping[str, Any],
    potential: Path | None,
    device: str,
    structures: StructureSet,
    precision: str = "float32",
    compiled: bool = False,
) -> Any:
    """Build a calculator.

    Args:
        name: of a registered calculator, or ``module:factory``; a factory is called with the arguments alone and
            knows nothing of the device.
        arguments: keyword arguments for the calculator.
        potential: folder of the trained potential, for ``m3gnet``.
        device: ``cpu`` or ``cuda``.
        structures: what will be computed; elements that the potential does not know are refused.
        precision: of a network, see :class:`~.evaluator.TrainedEvaluator`.
        compiled: likewise.

    Raises:
        BadInput: a potential that is missing or not wanted, unknown elements, arguments that the calculator does not
            take, or a factory that the environment does not allow or that is not there.
        BadWeights: a damaged potential.
    """
    if is_factory(name):
        _refuse_potential(name, potential)
        return _made_by_factory(name, arguments)
    spec = find(name)
    request = _request(spec, arguments, potential, device, structures, precision, compiled)
    return _calculator(name, load(spec.build)(request))


def make_evaluator(
    name: str,
    arguments: Mapping[str, Any],
    potential: Path | None,
    device: str,
    structures: StructureSet,
    precision: str = "float32",
    compiled: bool = False,
) -> Evaluator:
    """Build the evaluator of a registered calculator that has one; arguments and errors as :func:`make_calculator`."""
    spec = find(name)
    evaluator: Evaluator = load(spec.evaluator)(
        _request(spec, arguments, potential, device, structures, precision, compiled)
    )
    return evaluator


def _request(
    spec: CalculatorSpec,
    arguments: Mapping[str, Any],
    potential: Path | None,
    device: str,
    structures: StructureSet,
    precision: str,
    compiled: bool,
) -> CalculatorRequest:
    if not spec.takes_potential:
        _refuse_potential(spec.name, potential)
    elif potential is None:
        raise BadInput(
            f"relax: calculator '{spec.name}' needs the input 'potential', the folder that potential.train wrote; "
            "without one, choose another calculator, such as 'edip' (silicon) or 'chgnet'"
        )
    given = arguments_of(spec, arguments)
    return CalculatorRequest(spec.name, given, device, structures.numbers, potential, precision, compiled)


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
