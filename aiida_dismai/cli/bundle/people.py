"""Who made a data set, under which licence, and with which DOI: read off options, refused where they are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...engine.errors import BadInput, nearest
from ...engine.results.fields import Author
from ...engine.text import visible

_CC = "https://creativecommons.org/"
#: SPDX identifier → name, address, address of the legal text.
LICENCES = {
    "CC-BY-4.0": (
        "Creative Commons Attribution 4.0 International",
        f"{_CC}licenses/by/4.0/",
        f"{_CC}licenses/by/4.0/legalcode",
    ),
    "CC-BY-SA-4.0": (
        "Creative Commons Attribution Share Alike 4.0 International",
        f"{_CC}licenses/by-sa/4.0/",
        f"{_CC}licenses/by-sa/4.0/legalcode",
    ),
    "CC0-1.0": (
        "Creative Commons Zero v1.0 Universal",
        f"{_CC}publicdomain/zero/1.0/",
        f"{_CC}publicdomain/zero/1.0/legalcode",
    ),
    "ODbL-1.0": (
        "Open Data Commons Open Database License v1.0",
        "https://opendatacommons.org/licenses/odbl/1-0/",
        "https://opendatacommons.org/licenses/odbl/1-0/",
    ),
}
AUTHOR = re.compile(r"(?P<name>[^<>;]+?)\s*(?:<(?P<orcid>[^<>]*)>)?\s*(?:;\s*(?P<affiliation>.+))?")
DOI = re.compile(r"10\.\d{4,9}/\S+")
EXAMPLE = '"Ada Lovelace <0000-0002-1825-0097>; University of …"'


def find_licence(name: str) -> str:
    """Return the SPDX identifier of a licence.

    Raises:
        BadInput: none that is known (lists them).
    """
    found = {known.lower(): known for known in LICENCES}.get(name.lower())
    if found is None:
        raise BadInput(f"--licence {visible(name, 60)}: give one of {', '.join(LICENCES)}{nearest(name, LICENCES)}")
    return found


def read_doi(text: str | None) -> str | None:
    """Return a DOI without the address of a resolver.

    Raises:
        BadInput: no DOI.
    """
    if text is None:
        return None
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", text.strip(), flags=re.IGNORECASE)
    if not DOI.fullmatch(bare):
        raise BadInput(f"--doi {visible(text, 80)}: not a DOI; give one such as 10.5281/zenodo.1234567")
    return bare


def read_author(text: str) -> Author:
    """Return a person: ``Given Family <ORCID>; affiliation``, or ``Family, Given``.

    Raises:
        BadInput: no name, or an ORCID whose checksum is wrong.
    """
    found = AUTHOR.fullmatch(text.strip())
    if found is None or not re.search(r"[^\W\d_]", found["name"]):
        raise BadInput(f"--author {visible(text, 80)}: give {EXAMPLE}")
    name, orcid = found["name"].strip(), found["orcid"]
    if orcid is not None:
        orcid = orcid.removeprefix("https://orcid.org/").strip()
        if not is_orcid(orcid):
            raise BadInput(f"--author {visible(text, 80)}: not an ORCID (its checksum is wrong): {visible(orcid, 40)}")
    if "," in name:
        family, _, given = (part.strip() for part in name.partition(","))
    else:
        given, _, family = name.rpartition(" ")
    return Author(given=given, family=family, orcid=orcid, affiliation=(found["affiliation"] or "").strip() or None)


def is_orcid(text: str) -> bool:
    """Whether an ORCID has the form and the check digit (ISO 7064, MOD 11-2) of one.

    Example:
        >>> is_orcid("0000-0002-1825-0097"), is_orcid("0000-0002-1825-0098")
        (True, False)
    """
    if not re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", text):
        return False
    digits = text.replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == digits[-1]


def authors_of(given: Sequence[str], users: Iterable[Any]) -> list[Author]:
    """Return the authors: those that are given, or else the users whose nodes are published.

    Raises:
        BadInput: a user without a name, and no authors given.
    """
    if given:
        return [read_author(text) for text in given]
    found = []
    for user in users:
        if not user.last_name:
            raise BadInput(
                f"the user {visible(user.email, 80)} has no name in this profile; say who the authors are, with "
                f"--author {EXAMPLE}"
            )
        found.append(Author(given=user.first_name, family=user.last_name, affiliation=user.institution or None))
    return found
