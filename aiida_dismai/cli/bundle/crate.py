"""``ro-crate-metadata.json``: the bundle as an RO-Crate 1.1, with what made it as actions."""

from __future__ import annotations

import json
from typing import Any

from ...engine.results.fields import Author
from .manifest import FileEntry, Manifest
from .people import LICENCES

CRATE = "ro-crate-metadata.json"
#: Media types by the ending of a file.
FORMATS = {
    "extxyz": "chemical/x-xyz",
    "npz": "application/x-npz",
    "aiida": "application/zip",
    "json": "application/json",
    "md": "text/markdown",
    "txt": "text/plain",
    "cff": "text/yaml",
}
PROJECT = "https://github.com/aiida-dismai/aiida-dismai"


def crate(about: Manifest, files: dict[str, FileEntry], steps: list[dict[str, Any]]) -> str:
    """Return the metadata as JSON-LD.

    Args:
        about: the bundle.
        files: all files of it but this one.
        steps: what led to it, of :func:`aiida_dismai.report.trace.trace`.
    """
    name, address, _ = LICENCES[about.licence]
    people = [_person(author, index) for index, author in enumerate(about.authors)]
    actions = [_action(about, step, number) for number, step in enumerate(steps, 1)]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": about.title,
        "description": " ".join([about.description, *about.notes]),
        "datePublished": about.created,
        "license": {"@id": address},
        "author": [{"@id": person["@id"]} for person in people],
        "hasPart": [{"@id": file} for file in files],
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    if about.doi:
        root["identifier"] = f"https://doi.org/{about.doi}"
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        root,
        {"@id": address, "@type": "CreativeWork", "name": name, "identifier": about.licence},
        *people,
        *(_file(about, file, item) for file, item in files.items()),
        {
            "@id": PROJECT,
            "@type": "SoftwareApplication",
            "name": "aiida-dismai",
            "url": PROJECT,
            "version": about.versions.get("aiida-dismai", "?"),
        },
        *actions,
    ]
    content = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _person(author: Author, index: int) -> dict[str, Any]:
    person: dict[str, Any] = {
        "@id": f"https://orcid.org/{author.orcid}" if author.orcid else f"#author-{index + 1}",
        "@type": "Person",
        "name": author.name,
        "familyName": author.family,
    }
    if author.given:
        person["givenName"] = author.given
    if author.affiliation:
        person["affiliation"] = author.affiliation
    return person


def _file(about: Manifest, name: str, item: FileEntry) -> dict[str, Any]:
    described = {about.archive: f"AiiDA archive of {about.nodes} nodes with the whole provenance"}
    for each in about.sets:
        described[each.npz] = f"{each.count} structures, {each.atoms} atoms, as arrays; node {each.uuid}"
        described[each.extxyz] = f"{each.count} structures, {each.atoms} atoms, extended XYZ; node {each.uuid}"
    entity: dict[str, Any] = {
        "@id": name,
        "@type": "File",
        "name": name,
        "contentSize": str(item.size),
        "sha256": item.sha256,
        "encodingFormat": FORMATS.get(name.rpartition(".")[2], "application/octet-stream"),
    }
    if name in described:
        entity["description"] = described[name]
    return entity


def _action(about: Manifest, step: dict[str, Any], number: int) -> dict[str, Any]:
    given = ", ".join(f"{name}={value}" for name, value in step["parameters"].items())
    said = f"{step['count']} jobs of {step['task']}" + (f" in {step['stage']}" if step["stage"] else "")
    return {
        "@id": f"#step-{number}",
        "@type": "CreateAction",
        "name": said,
        "description": given or said,
        "startTime": step["started"],
        "instrument": {"@id": PROJECT},
        "result": {"@id": about.archive},
    }
