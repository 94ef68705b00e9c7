"""Working directories on the computers, removed once everything that was made in them is in AiiDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line, which says what options there are, has not loaded AiiDA yet
    from aiida.orm import ProcessNode

#: The option. Ours, as `gpus` is: AiiDA's jobs have none of that name.
CLEAN = "clean_workdir"


def clean_problem(options: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the option; None if nothing is."""
    value = options.get(CLEAN, False)
    return None if isinstance(value, bool) else f"must be true or false (given: {value!r})"


def with_cleaning(options: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Divide scheduler options into those that AiiDA knows and whether to clean up after success."""
    known = dict(options)
    return known, bool(known.pop(CLEAN, False))


def clean_folders(node: ProcessNode) -> str:
    """Remove the working directories of all jobs that a process called.

    Those that a job from the cache shares with its source stay.

    Returns:
        How many were removed, and which could not be, with the reason.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.orm import CalcJobNode

    cleaned, problems = 0, []
    for job in node.called_descendants:
        if not isinstance(job, CalcJobNode) or job.base.caching.is_created_from_cache:
            continue
        if "remote_folder" not in job.outputs or job.outputs.remote_folder.is_cleaned:
            continue
        try:
            job.outputs.remote_folder._clean()
            cleaned += 1
        except (AiidaException, OSError) as error:
            problems.append(f"{job.process_label}<{job.pk}>: {error}")
    return "; ".join([f"{cleaned} working directories removed", *problems])
