"""Protocols of labelling: what is the same for all DFT codes, and over it what is the code's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..dft import DftEngine
from ..engine.errors import BadInput
from .label_inputs import OVERRIDE_NAMES
from .protocols import ProtocolMixin, merge
from .protocols.files import read_mapping


class LabelProtocolMixin(ProtocolMixin):
    """Protocols of ``label.yaml``, completed by those of a DFT engine."""

    _protocol_file = "label.yaml"
    _override_names = OVERRIDE_NAMES

    @classmethod
    def get_protocol_inputs(
        cls,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | str | Path | None = None,
        kind: str | None = None,
        engine: DftEngine | None = None,
    ) -> dict[str, Any]:
        """Return the plain inputs of a protocol.

        Args:
            protocol: its name; None takes the default.
            overrides: a mapping, or the path of a YAML file with one, laid over the protocol.
            kind: of the structures; without meaning here.
            engine: whose parameters and potentials are laid over the common part; without one there are none.

        Raises:
            BadInput: no such protocol, none of the engine, or overrides that it has no place for.
        """
        inputs = super().get_protocol_inputs(protocol, None, kind)
        if engine is not None:
            inputs = merge(inputs, _own_part(engine, protocol or cls.get_default_protocol()))
        return cls._with_overrides(inputs, overrides)


def _own_part(engine: DftEngine, protocol: str) -> dict[str, Any]:
    """Return what of a protocol is an engine's own.

    Raises:
        BadInput: its file cannot be read, or has no such protocol.
    """
    content = _load(engine.name, engine.protocols)
    if protocol not in content["protocols"]:
        known = ", ".join(content["protocols"])
        raise BadInput(f"{engine.title} has no settings for the protocol '{protocol}' of dismai.label; it has: {known}")
    return merge(content["default_inputs"], content["protocols"][protocol] or {})


@cache
def _load(name: str, path: Path) -> dict[str, Any]:
    try:
        content = read_mapping(path, "the protocols of an engine")
        return {part: dict(content[part]) for part in ("default_inputs", "protocols")}
    except (BadInput, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"DFT engine '{name}': {path} has no default_inputs and protocols: {error}") from error
