"""What is for readers in a bundle: README, licence, CITATION.cff, Zenodo's metadata."""

from __future__ import annotations

import json
from typing import Any

import yaml

from .manifest import MANIFEST, SUMS, Manifest
from .people import LICENCES

README, LICENCE, CITATION, ZENODO = "README.md", "LICENSE.txt", "CITATION.cff", "zenodo.json"
KEYWORDS = ["AiiDA", "Dismai-Bench", "disordered materials", "generative models", "provenance"]
#: The benchmark.
PAPER = "10.1039/d4dd00100a"


def readme(about: Manifest, steps: list[dict[str, Any]]) -> str:
    """Return the README.

    Args:
        about: the bundle.
        steps: what led to it, of :func:`aiida_dismai.report.trace.trace`.
    """
    lines = [f"# {_plain(about.title)}", ""]
    lines += [f"**{_plain(note)}**\n" for note in about.notes]
    lines += [_plain(about.description), "", f"Authors: {', '.join(_plain(author.name) for author in about.authors)}  "]
    lines += [f"Date: {about.created}  ", f"Licence: {about.licence} ({LICENCES[about.licence][1]})  "]
    lines += [f"DOI: {about.doi or 'not yet given'}", "", "## Files", "", "| file | |", "|---|---|"]
    for item in about.sets:
        holds = f"{item.count} structures, {item.atoms} atoms ({_cell(', '.join(item.formulas))})"
        lines += [f"| `{item.extxyz}` | {holds}; extended XYZ, every digit kept |"]
        lines += [f"| `{item.npz}` | the same, as arrays (exact; numpy reads it) |"]
    lines += [
        f"| `{about.archive}` | AiiDA archive: {about.nodes} nodes, {about.processes} of them processes, back to what "
        "it was all made from |",
        f"| `{MANIFEST}` | this description for programs, with checksums |",
        "| `ro-crate-metadata.json` | the same as RO-Crate 1.1 |",
        f"| `{CITATION}`, `{ZENODO}`, `{LICENCE}` | how to cite it, metadata for Zenodo, licence |",
        f"| `{SUMS}` | `sha256sum -c {SUMS}` checks all files |",
        "",
        "## How it was made",
        "",
    ]
    lines += [_step(number, step) for number, step in enumerate(steps, 1)] or ["It was imported as it is."]
    lines += ["", "## How to use it", "", "Without AiiDA:", ""]
    example = about.sets[0].extxyz if about.sets else "FILE.extxyz"
    lines += ["```python", "from ase.io import read", f'frames = read("{example}", ":")', "```", ""]
    lines += ["With its whole history, in a profile of its own:", "", "```bash", "pip install aiida-dismai"]
    lines += ["aiida-dismai dataset fetch THIS_FOLDER", "```", "", "## Left out", ""]
    lines += [f"- {_plain(item.what)}: {_plain(item.why)}" for item in about.left_out] or ["Nothing."]
    return "\n".join([*lines, ""])


def _step(number: int, step: dict[str, Any]) -> str:
    failed = f", {step['not_ok']} of them failed" if step["not_ok"] else ""
    stage = f" ({step['stage']})" if step["stage"] else ""
    given = ", ".join(f"{name} = {value}" for name, value in step["parameters"].items())
    seeds = f"; seed {', '.join(str(seed) for seed in step['seeds'][:4])}" if step["seeds"] else ""
    jobs = f"{step['count']} job{'s' if step['count'] > 1 else ''}{failed}"
    return f"{number}. `{step['task']}`{stage}: {jobs}{f'; {_plain(given)}' if given else ''}{seeds}"


def _plain(text: str) -> str:
    """Return a text without what Markdown would take for markup, in one line."""
    flat = " ".join(str(text).split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|!" else char for char in flat)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def licence(about: Manifest) -> str:
    """Return the licence file: who, which licence, where its text is."""
    name, _, text = LICENCES[about.licence]
    holders = ", ".join(author.name for author in about.authors)
    return (
        f"{about.title}\n{about.created[:4]} {holders}\n\nSPDX-License-Identifier: {about.licence}\n\n"
        f"This data set is published under the terms of the licence\n{name}.\nIts legal text is at {text}\n"
    )


def citation(about: Manifest) -> str:
    """Return CITATION.cff (Citation File Format 1.2.0)."""
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this data set, please cite it, and the benchmark.",
        "type": "dataset",
        "title": about.title,
        "abstract": about.description,
        "authors": [
            {
                key: value
                for key, value in {
                    "family-names": author.family,
                    "given-names": author.given,
                    "orcid": f"https://orcid.org/{author.orcid}" if author.orcid else None,
                    "affiliation": author.affiliation,
                }.items()
                if value
            }
            for author in about.authors
        ],
        "date-released": about.created,
        "license": about.licence,
        "keywords": KEYWORDS,
        "references": [
            {
                "type": "article",
                "title": "Dismai-Bench: benchmarking and designing generative models using disordered materials and "
                "interfaces",
                "authors": [
                    {"family-names": "Yong", "given-names": "Adrian Xiao Bin"},
                    {"family-names": "Su", "given-names": "Tianyu"},
                    {"family-names": "Ertekin", "given-names": "Elif"},
                ],
                "journal": "Digital Discovery",
                "year": 2024,
                "doi": PAPER,
            }
        ],
    }
    if about.doi:
        content["doi"] = about.doi
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def zenodo(about: Manifest) -> str:
    """Return Zenodo's metadata of a deposition, as its API takes them."""
    creators = [
        {
            key: value
            for key, value in {
                "name": f"{author.family}, {author.given}" if author.given else author.family,
                "orcid": author.orcid,
                "affiliation": author.affiliation,
            }.items()
            if value
        }
        for author in about.authors
    ]
    notes = f"<p><strong>{' '.join(_html(note) for note in about.notes)}</strong></p>" if about.notes else ""
    content = {
        "upload_type": "dataset",
        "title": about.title,
        "description": f"<p>{_html(about.description)}</p>{notes}",
        "creators": creators,
        "license": about.licence.lower(),
        "access_right": "open",
        "publication_date": about.created,
        "keywords": KEYWORDS,
        "related_identifiers": [
            {"identifier": PAPER, "relation": "isDerivedFrom", "resource_type": "publication-article"}
        ],
    }
    return json.dumps({"metadata": content}, indent=2, ensure_ascii=False) + "\n"


def _html(text: str) -> str:
    from html import escape

    return escape(" ".join(text.split()))
