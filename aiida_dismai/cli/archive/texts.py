"""All texts that belong to a node and go into an archive with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


def node_name(node: Any) -> str:
    """Return how a node is named in messages."""
    return f"{type(node).__name__}<{node.pk}>"


def texts_of(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the name of the place and the text: label, description, attributes, extras, comments and logs.

    Attributes and extras are JSON, with line ends and characters beyond ASCII as they are.
    """
    from aiida.orm import Log

    for place in ("label", "description"):
        if text := getattr(node, place):
            yield place, text
    for place, values in (("attributes", node.base.attributes.all), ("extras", node.base.extras.all)):
        if values:
            yield place, re.sub(r"\\[nrt]", "\n", json.dumps(values, ensure_ascii=False, default=str))
    for comment in node.base.comments.all():
        yield "comments", comment.content
    for log in Log.collection.get_logs_for(node):
        yield "logs", f"{log.message}\n{json.dumps(log.metadata, ensure_ascii=False, default=str)}"
