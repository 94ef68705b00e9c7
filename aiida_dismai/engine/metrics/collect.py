"""Summaries of many structures: one after another or in several processes, none of them twice.

Each finished structure is one line of ``checkpoint/fingerprints.jsonl``, found again by a hash of the
structure, the chemistry and the version of the fingerprint. So a killed task goes on where it was, and
lines of other structures or parameters are never used by mistake.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from ..errors import Unfinished
from ..structures import StructureSet
from ..task import Context
from . import fingerprints
from .chemistry import Chemistry
from .summaries import Summary


class Log:
    """Finished structures on disk, by key; a line cut off by a kill is as if it were not there.

    Args:
        path: the file; made with the first :meth:`add`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Summary | str] = {}
        content = path.read_text() if path.is_file() else ""
        for line in content.splitlines():
            try:
                entry = json.loads(line)
                summary = entry["failed"] if "failed" in entry else Summary.from_plain(entry)
                self.found[entry["key"]] = summary
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        #: A line without its end must not swallow the next one.
        self.separator = "" if not content or content.endswith("\n") else "\n"

    def add(self, key: str, summary: Summary | str) -> None:
        """Keep the summary of a structure, or the reason why it has none."""
        self.found[key] = summary
        entry = {"key": key} | ({"failed": summary} if isinstance(summary, str) else summary.plain())
        with self.path.open("a") as handle:
            handle.write(self.separator + json.dumps(entry) + "\n")
        self.separator = ""


def key_of(structure: StructureSet, chemistry: Chemistry) -> str:
    """Return the key under which a structure's summary is kept: its atoms and cell, not its properties."""
    about = json.dumps([fingerprints.VERSION, structure.without_properties().content_hash, chemistry.plain()])
    return hashlib.sha256(about.encode()).hexdigest()


def summarise(structure: StructureSet, chemistry: Chemistry) -> Summary | str:
    """Compute the fingerprints of one structure; returns the reason where it has none."""
    try:
        return Summary.of(fingerprints.site_fingerprints(structure, chemistry), chemistry)
    except fingerprints.FingerprintError as error:
        return str(error)


def collect(
    context: Context, stage: str, structures: StructureSet, chemistry: Chemistry, workers: int, log: Log
) -> list[Summary | str]:
    """Summarise all structures.

    Args:
        context: told of every structure; its time limit is kept.
        stage: named in the progress.
        structures: of elements that the chemistry knows.
        chemistry: the ions.
        workers: processes; 1 computes in this one.
        log: what is finished already, and where to keep what is finished now.

    Returns:
        For each structure its summary or the reason why it has none.

    Raises:
        Unfinished: out of time; what is finished is in the log.
    """
    total = len(structures)
    keys = [key_of(structures[i], chemistry) for i in range(total)]
    # Equal structures have equal keys and are computed once.
    todo = list({key: i for i, key in reversed(list(enumerate(keys))) if key not in log.found}.values())[::-1]
    done = total - len(todo)
    if done:
        context.progress(stage, done, total, resumed=done)
    for i, summary in _compute(context, structures, chemistry, todo, min(workers, len(todo))):
        log.add(keys[i], summary)
        done += 1
        context.progress(stage, done, total, index=i, failed=isinstance(summary, str))
    left = sum(key not in log.found for key in keys)
    if left:
        raise Unfinished(f"{stage}: {total - left} of {total} structures done; run again to go on")
    return [log.found[key] for key in keys]


def _compute(
    context: Context, structures: StructureSet, chemistry: Chemistry, todo: Sequence[int], workers: int
) -> Iterator[tuple[int, Summary | str]]:
    """Yield (index, summary) as they are finished; stops early when out of time."""
    if workers <= 1:
        for i in todo:
            yield i, summarise(structures[i], chemistry)
            if context.out_of_time():
                return
        return
    import multiprocessing

    # Forking a process that has run torch or OpenMP threads can hang.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    with pool:
        waiting = iter(todo)
        running: dict[Future[Summary | str], int] = {}
        while True:
            # A few in hand for each process, so that little is lost when the time is up.
            while len(running) < 2 * workers and not context.out_of_time():
                if (chosen := next(waiting, None)) is None:
                    break
                running[pool.submit(summarise, structures[chosen], chemistry)] = chosen
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()
