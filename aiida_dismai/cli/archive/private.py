"""What goes into an archive beside the science: people, machines, paths, texts of job scripts, what looks secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...engine.text import visible
from ..executes import SCRIPT
from .texts import node_name, texts_of

#: Names that secrets have, before a value; and forms that only secrets have. Whatever repeats has a bound, so that the
#: time grows with the text and not with its square.
SECRETS = (
    re.compile(
        r"""([\w.-]{0,64}(?:KEY|TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL)S?)["']?\s{0,20}[:=]\s{0,20}["']?(?=[^\s"',;:=(){}\[\]]{4})""",
        re.IGNORECASE,
    ),
    re.compile(r"(Bearer\s)[\w.~+/-]{16}", re.IGNORECASE),
    re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)"),
    re.compile(r"\b(AKIA|ASIA|gh[opusr]_|github_pat_|glpat-|hf_|xox[abprs]-|sk-)[\w-]{16}"),
    re.compile(r"\b(eyJ)[\w-]{10,999}\.eyJ[\w-]{10}"),
    re.compile(r"(\w{1,20}://[^\s/:@\"']{0,100}:)[^\s/@\"']{1,100}@"),
)
#: What `_key` and the like stand before without being secret.
HARMLESS = re.compile(r"(?:site|sort|row|dict|cache|match|primary|foreign|public)_?keys?$|^keys?$", re.IGNORECASE)
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}")
#: Folders that belong to somebody, and the name behind them.
HOME = re.compile(r"/(?:home|Users|users|scratch|work|data|project|projects|lustre)(?:/[\w.@+-]+){1,6}")
#: Bytes of a text file that are looked at, at its two ends.
END = 2**18
#: Places of one kind that are listed.
LISTED = 12


@dataclass(frozen=True)
class Private:
    """One thing that goes along.

    Attributes:
        kind: what it is.
        what: it, or its name if it should not be printed.
        where: node and place.
        warning: whether it should hardly be shared.
    """

    kind: str
    what: str
    where: str
    warning: bool = False


def private_content(nodes: Iterable[Any]) -> list[Private]:
    """Return the e-mail addresses, computers, paths, texts of job scripts and secrets in these nodes.

    What is the same in many nodes is listed once, with the first of them.
    """
    found: dict[tuple[str, str], Private] = {}
    for node in nodes:
        for item in _of_node(node):
            found.setdefault((item.kind, item.what), item)
    return sorted(found.values(), key=lambda item: (not item.warning, item.kind))


def _of_node(node: Any) -> Iterator[Private]:
    name = node_name(node)
    user = node.user
    person = " ".join(part for part in (user.first_name, user.last_name, user.institution) if part)
    yield Private("user", f"{user.email} {person}".strip(), name)
    if node.computer is not None:
        yield from _of_computer(node.computer)
    for place, value in _script_texts(node.base.attributes.all):
        yield Private("text of job scripts", f"{place}: {visible(value, 120)}", name)
    for place, text in texts_of(node):
        yield from _of_text(text, f"{name}: {place}")
    for folder, _, entries in node.base.repository.walk():
        for entry in entries:
            path = str(PurePosixPath(folder) / entry)
            with node.base.repository.open(path, "rb") as handle:
                content = handle.read(2 * END)
            if b"\0" not in content[:4096]:
                yield from _of_text(content.decode(errors="replace"), f"{name}: {path}")


def _of_computer(computer: Any) -> Iterator[Private]:
    where = f"computer '{computer.label}'"
    yield Private("computer", f"{computer.label} ({computer.hostname}), {computer.get_workdir()}", where)
    for text in (computer.description, computer.get_prepend_text(), computer.get_append_text()):
        if text:
            yield from _of_text(text, where)


def _script_texts(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in SCRIPT:
        if attributes.get(name):
            value = attributes[name]
            # names of variables say enough; their values may be secret
            yield name, ", ".join(map(str, value)) if isinstance(value, Mapping) else _masked(str(value))


def _of_text(text: str, where: str) -> Iterator[Private]:
    for pattern in SECRETS:
        for match in pattern.finditer(text):
            if not HARMLESS.search(match[1]):
                yield Private("looks secret", f"{visible(match[1], 60)}…", where, warning=True)
    for match in EMAIL.finditer(text):
        yield Private("e-mail", match[0], where)
    for match in HOME.finditer(text):
        yield Private("path", "/".join(match[0].split("/")[:4]), where)


def _masked(text: str) -> str:
    for pattern in SECRETS:
        text = re.sub(rf"(?:{pattern.pattern})[^\s\"']*", lambda match: f"{match[1]}…", text, flags=pattern.flags)
    return text


def rows(found: Iterable[Private]) -> list[tuple[str, str, str, str]]:
    """Return what is printed: a mark, the kind, what it is, and where; at most ``LISTED`` of a kind."""
    counts: dict[str, int] = {}
    result = []
    for item in found:
        counts[item.kind] = counts.get(item.kind, 0) + 1
        if counts[item.kind] <= LISTED:
            result.append(("!" if item.warning else "", item.kind, item.what, item.where))
    more = [("", kind, f"and {count - LISTED} more", "") for kind, count in counts.items() if count > LISTED]
    return result + more
