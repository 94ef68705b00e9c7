"""Which names and which kinds of values the overrides of a protocol may have, at every depth.

A WorkChain declares in ``_override_names`` what its protocol does not show by itself: parts that are laid over the
protocol of another WorkChain, parameters of a task, tables. Everything else has the names and the types of the
protocol's own inputs. Bounds are not looked at here: they are those of ports and parameter models.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, get_args

from pydantic import BaseModel

from ...calculations.cleaning import CLEAN
from ...calculations.gpus import GPUS
from ...calculations.monitors import BY_NAME, MONITORS, arguments_of
from ...engine.errors import BadInput, nearest
from ...engine.parameters import known_parts
from ...engine.tasks import find_task
from ..problems import Problem

#: Keys of a table by element or by pair of elements: ``Li``, ``Li-O``.
ELEMENTS = re.compile(r"[A-Z][a-z]?(-[A-Z][a-z]?)?")
#: What is inside ``resources`` of any scheduler.
RESOURCES = (
    "num_machines",
    "num_mpiprocs_per_machine",
    "num_cores_per_machine",
    "num_cores_per_mpiproc",
    "tot_num_mpiprocs",
    "parallel_env",
)


class Part(ABC):
    """One part of the overrides."""

    @abstractmethod
    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Return the value without what is wrong in it; of a single value that is wrong, what is returned is not used.

        Args:
            value: as the user gave it.
            path: where it is.
            found: problems are added here.
            default: the protocol's own value, None where it has none.
        """

    def inside(self, name: str) -> Part | None:
        """Return the part below a name, None where there is none of that name."""
        return None


class Value(Part):
    """A single value, of the type that the protocol's own has."""

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Refuse another type, and numbers that are none."""
        if isinstance(value, float) and not math.isfinite(value):
            found.append(Problem(path, f"must be a finite number (given: {value})"))
            return None
        wanted = _type_of(default)
        if wanted is None or _fits(value, default):
            return value
        found.append(Problem(path, f"must be {wanted} (given: {_short(value)})"))
        return None


class Like(Value):
    """A single value of the type of an example, for which the protocol itself may have none."""

    def __init__(self, example: Any) -> None:
        self.example = example

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Refuse another type."""
        return super().clean(value, path, found, self.example)


class Anything(Part):
    """Whatever it is, someone else knows it."""

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Return the value."""
        return value

    def inside(self, name: str) -> Part | None:
        """Return the same for every name."""
        return self


class Mappings(Part):
    """What holds names."""

    #: Whether null, in place of names, leaves the whole out.
    null = False
    #: What its names are, in messages.
    noun = "override"

    def names(self, default: Any) -> Iterable[str] | None:
        """Return the right names; None where any will do."""
        return None

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Refuse what is no mapping, and misspelt names."""
        if value is None and self.null:
            return value
        if not isinstance(value, Mapping):
            found.append(Problem(path, f"must be a mapping of names to values (given: {_short(value)})"))
            return {}
        below = default if isinstance(default, Mapping) else {}
        known = self.names(below)
        kept = {}
        for key, item in value.items():
            name = str(key)
            here = f"{path}.{name}" if path else name
            part = self.inside(name)
            if part is None or (known is not None and name not in known):
                found.append(Problem("", f"unknown {self.noun} '{here}'{nearest(name, known or ())}"))
                continue
            before = len(found)
            cleaned = part.clean(item, here, found, below.get(name))
            if len(found) == before or isinstance(cleaned, (Mapping, list)):
                kept[name] = cleaned
        return kept


class Names(Mappings):
    """These names and, of values, those that the protocol has."""

    def __init__(self, parts: Mapping[str, Part] | None = None, null: bool = False) -> None:
        self.parts = dict(parts or {})
        self.null = null

    def names(self, default: Any) -> Iterable[str]:
        """Return those that are declared, and those of the protocol."""
        return {*self.parts, *default}

    def inside(self, name: str) -> Part | None:
        """Return the part that is declared, else a value."""
        return self.parts.get(name, Value())


class Each(Mappings):
    """Any names, or some that are found when they are asked for, and the same below all of them."""

    def __init__(
        self, inner: Callable[[str], Part | None], known: Callable[[], Iterable[str]] | None = None, null: bool = False
    ) -> None:
        self.inner, self.known, self.null_inside = inner, known, null

    def names(self, default: Any) -> Iterable[str] | None:
        """Return the right names, if not any will do."""
        return None if self.known is None else {*self.known(), *default}

    def inside(self, name: str) -> Part | None:
        """Return the part below a name."""
        part = self.inner(name)
        if isinstance(part, Mappings) and self.null_inside:
            part.null = True
        return part


class Table(Mappings):
    """A table by element or pair of elements, which overrides replace as a whole."""

    def __init__(self, null: bool = False) -> None:
        self.null = null

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Refuse what is no mapping, and keys that are no elements."""
        if not isinstance(value, Mapping):
            return super().clean(value, path, found, default)
        for key in value:
            if not ELEMENTS.fullmatch(str(key)):
                found.append(Problem(path, f"'{key}' is neither an element nor a pair of elements such as Li-O"))
        return value

    def inside(self, name: str) -> Part | None:
        """Return a value of any type."""
        return Anything()


class Model(Mappings):
    """Parameters of a model of the engine."""

    def __init__(self, find: Callable[[], type[BaseModel]], null: bool = False) -> None:
        self.find, self.null = find, null

    def fields(self) -> dict[str, Any]:
        """Return the types of the fields by name; none where there is no such model, which its port says."""
        try:
            return known_parts(self.find())
        except BadInput:
            return {}

    def names(self, default: Any) -> Iterable[str] | None:
        """Return the fields."""
        return self.fields() or None

    def inside(self, name: str) -> Part | None:
        """Return what is below a field."""
        fields = self.fields()
        if not fields:
            return Anything()
        return _part_of(fields[name]) if name in fields else None


class Task(Model):
    """Parameters of a task."""

    def __init__(self, name: str) -> None:
        super().__init__(lambda: find_task(name).model())


class Whole(Anything):
    """A table of a model, such as a composition: its values are the model's, its names the user's."""


class Listed(Part):
    """A list of mappings, all with the same names."""

    def __init__(self, inner: Part) -> None:
        self.inner = inner

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Look at every item; what is no list is left to the model."""
        if not isinstance(value, list):
            return value
        return [self.inner.clean(item, f"{path}.{index}", found) for index, item in enumerate(value)]


class Options(Mappings):
    """Scheduler options of a job, by AiiDA's names, and ours: GPUs, monitors, cleaning."""

    noun = "scheduler option"

    def names(self, default: Any) -> Iterable[str]:
        """Return the names."""
        return (*option_names(), CLEAN, GPUS, MONITORS)

    def inside(self, name: str) -> Part | None:
        """Return what is below an option."""
        if name == MONITORS:
            return _Monitors(lambda monitor: _Arguments(monitor) if monitor in BY_NAME else None, lambda: BY_NAME)
        return _Resources({key: Anything() for key in RESOURCES}) if name == "resources" else Anything()


class _Resources(Names):
    noun = Options.noun


class _Monitors(Each):
    noun = Options.noun


class _Arguments(Names):
    noun = Options.noun

    def __init__(self, monitor: str) -> None:
        super().__init__({name: Anything() for name in arguments_of(monitor)}, null=True)


class Of(Mappings):
    """What is laid over the protocol of another WorkChain.

    Args:
        find: returns the class.
    """

    def __init__(self, find: Callable[[], Any]) -> None:
        self.find = find

    def clean(self, value: Any, path: str, found: list[Problem], default: Any = None) -> Any:
        """Look at it with the eyes of that WorkChain."""
        chain = self.find()
        return Names(chain._override_names).clean(value, path, found, chain._default_inputs())

    def inside(self, name: str) -> Part | None:
        """Return the part below a name of that WorkChain."""
        return Names(self.find()._override_names).inside(name)


def job(task: str) -> dict[str, Part]:
    """Return the parts of a job: the parameters of its task, its options, and how it is cut into chunks."""
    return {"parameters": Task(task), "options": Options()}


@lru_cache(maxsize=1)
def option_names() -> tuple[str, ...]:
    """Return the names of AiiDA's scheduler options."""
    from aiida.engine import CalcJob

    from ...calculations.base import option_ports

    return tuple(option_ports(CalcJob.spec()))


def _part_of(annotation: Any) -> Part:
    """Return the part that a field of a parameter model is."""
    inner = _model_in(annotation)
    if inner is not None:
        in_list = any(getattr(kind, "__origin__", kind) is list for kind in (annotation, *get_args(annotation)))
        part = Model(lambda: inner, null=True)
        return Listed(part) if in_list else part
    return Whole() if _is_table(annotation) else Anything()


def _is_table(annotation: Any) -> bool:
    """Whether a field maps names to values of one type, ``dict[str, int]``."""
    kinds = (annotation, *get_args(annotation))
    tables = [kind for kind in kinds if getattr(kind, "__origin__", None) is dict]
    return any(get_args(kind)[1] is not Any for kind in tables)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in ``Model``, ``Model | None`` or ``list[Model]``; None for tables of them and for all else."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if getattr(annotation, "__origin__", None) is dict:
        return None
    return next((found for kind in get_args(annotation) if (found := _model_in(kind)) is not None), None)


def _type_of(default: Any) -> str | None:
    for kind, text in ((bool, "true or false"), (int, "a whole number"), (float, "a number"), (str, "a word")):
        if isinstance(default, kind):
            return text
    return "a list" if isinstance(default, list) else None


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int):
        return isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    if isinstance(default, float):
        return isinstance(value, Real)
    return isinstance(value, (list, tuple) if isinstance(default, list) else type(default))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
