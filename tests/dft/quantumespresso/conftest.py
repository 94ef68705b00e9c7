"""Fixtures of Quantum ESPRESSO."""

from support.pw import pseudo_family, pw_code, pw_path

__all__ = ["pseudo_family", "pw_code", "pw_path"]
