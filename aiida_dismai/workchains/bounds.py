"""Validators of single numbers, for the ports of WorkChains."""

from __future__ import annotations

from typing import Any

from aiida.orm import Float, Int


def name_of(port: Any) -> str:
    """Return the name of a port, for messages; the port may be nobody's."""
    return str(getattr(port, "name", None) or "value")


def positive(node: Int | None, port: Any) -> str | None:
    """Refuse a number below one."""
    return f"{name_of(port)}: must be at least 1 (given: {node.value})" if node is not None and node.value < 1 else None


def share_below_one(node: Float | None, port: Any) -> str | None:
    """Refuse what is no share below one."""
    if node is None or 0 <= node.value < 1:
        return None
    return f"{name_of(port)}: must be at least 0 and below 1 (given: {node.value:g})"


def share(node: Float | None, port: Any) -> str | None:
    """Refuse what is no share."""
    if node is None or 0 <= node.value <= 1:
        return None
    return f"{name_of(port)}: must lie between 0 and 1 (given: {node.value:g})"


def not_negative(node: Int | Float | None, port: Any) -> str | None:
    """Refuse a negative number, and one that is none."""
    if node is None or 0 <= node.value < float("inf"):
        return None
    return f"{name_of(port)}: must not be negative (given: {node.value:g})"
