"""Independent items of work in several processes: pinned threads, dead processes noticed, results as they come.

A process that dies (the system has killed it for its memory, a library has crashed) costs its item only: the item is
done again once, in a new process, and counted as failed if that one dies too. Results are those of one process, because
every process computes with the same number of threads.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field

from .errors import DismaiError

Item = TypeVar("Item")
#: What makes the function that does the work, in the process where it is to be done.
Setup = Callable[..., Callable[[Any], Any]]
#: Type of the parameter ``workers`` of tasks.
Workers = Literal["auto"] | Annotated[int, Field(ge=1, le=1024)]
#: Its description.
WORKERS = (
    "processes that share the structures; auto: one for each core that the job was given, or just one for fewer than "
    "8 structures. The result does not depend on it"
)
#: Environment variables that say how many threads libraries start.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
#: With fewer items, auto is one: other processes take seconds to start.
FEW = 8
#: Deaths of one item after which it is given up.
GIVE_UP = 2


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def choose_threads(threads: int | None) -> int:
    """Return the threads of each process: as asked for, else ``OMP_NUM_THREADS``, else one."""
    if threads:
        return threads
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(given) if given.isdigit() and int(given) else 1


def choose_workers(
    workers: Workers, items: int, threads: int = 1, cores: int | None = None, warn: Callable[[str], None] | None = None
) -> int:
    """Return the number of processes.

    Args:
        workers: as asked for.
        items: of work; more processes than these are of no use.
        threads: of each process.
        cores: that the job was given; None is what the system lets this process use.
        warn: called with a line where more is asked for than there are cores.
    """
    cores = available_cores() if cores is None else cores
    if workers == "auto":
        return max(1, min(items, cores // threads)) if items >= FEW else 1
    if workers * threads > cores and warn is not None:
        warn(
            f"workers: {workers} processes of {threads} thread{'s' * (threads > 1)} on {cores} core"
            f"{'s' * (cores > 1)}: they wait for each other; give 'auto', or ask the scheduler for more cores"
        )
    return max(1, min(items, workers))


@dataclass(frozen=True)
class Died:
    """What is known of an item whose process died twice.

    Attributes:
        how: the signal or exit status.
    """

    how: str


@dataclass
class _Worker(Generic[Item]):
    process: Any
    pipe: Connection
    ready: bool = False
    item: tuple[int, Item] | None = None


def after_the_first(stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return a stop that lets one item begin whatever the time: a run that does nothing would be repeated for ever."""
    first = iter((True,))
    return lambda: not next(first, False) and stop()


def map_items(
    items: Iterable[Item],
    setup: Setup,
    arguments: tuple[Any, ...],
    workers: int,
    threads: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Item, Any]]:
    """Do the work of each item; yields items and results as they come, in any order.

    Args:
        items: what the function is called with; taken when a process is free. Can be pickled.
        setup: called once in each process with ``arguments``, returns the function; of a module, so that it can be
            pickled.
        arguments: of ``setup``; can be pickled.
        workers: number of processes; one is this process.
        threads: of each.
        stop: whether no further item is to be begun; those that are under way are waited for.

    Raises:
        Exception: whatever setup or function raised, in whichever process.
        DismaiError: processes die before they have begun to work.
    """
    if workers > 1:
        yield from _in_processes(items, setup, arguments, workers, threads, stop)
        return
    work: Callable[[Any], Any] | None = None
    for item in items:
        if stop():
            return
        work = work or setup(*arguments)
        yield item, work(item)


def _in_processes(
    items: Iterable[Item],
    setup: Setup,
    arguments: tuple[Any, ...],
    workers: int,
    threads: int,
    stop: Callable[[], bool],
) -> Iterator[tuple[Item, Any]]:
    waiting, again = enumerate(items), deque[tuple[int, Item]]()
    deaths: Counter[int] = Counter()
    never_ready = 0
    running: list[_Worker[Item]] = [_start(setup, arguments, threads) for _ in range(workers)]

    def next_item() -> Any:
        if stop():
            return _NOTHING
        return again.popleft() if again else next(waiting, _NOTHING)

    try:
        while running:
            for pipe in wait([worker.pipe for worker in running]):
                worker = next(one for one in running if one.pipe is pipe)
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, OSError):
                    running.remove(worker)
                    how = _how_it_ended(worker.process)
                    if not worker.ready:
                        never_ready += 1
                        if never_ready >= GIVE_UP * workers:
                            raise DismaiError(f"worker processes end before they have begun to work ({how})") from None
                    elif worker.item is not None:
                        number, item = worker.item
                        deaths[number] += 1
                        if deaths[number] >= GIVE_UP:
                            yield item, Died(how)
                        else:
                            again.append((number, item))
                    running.append(_start(setup, arguments, threads))
                    continue
                if kind == "error":
                    raise content
                done, worker.item, worker.ready = worker.item, None, True
                following = next_item()
                if following is _NOTHING:
                    running.remove(worker)
                    _end(worker)
                else:
                    worker.item = following
                    with suppress(OSError):  # dead: seen at the next turn
                        worker.pipe.send(following[1])
                if kind == "result":
                    assert done is not None
                    yield done[1], content
    finally:
        for worker in running:
            worker.process.terminate()
            worker.process.join()


_NOTHING: Any = object()


def _start(setup: Setup, arguments: tuple[Any, ...], threads: int) -> Any:
    # forking a process that has run torch or OpenMP threads can hang
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, setup, arguments, threads), daemon=True)
    with _pinned(threads):
        process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    return _Worker(process, ours)


def _end(worker: _Worker[Any]) -> None:
    with suppress(OSError):
        worker.pipe.send(None)
    worker.process.join()
    worker.pipe.close()


@contextmanager
def _pinned(threads: int) -> Iterator[None]:
    """Let a process that is started here begin with so many threads: libraries ask when they are loaded."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _serve(pipe: Connection, setup: Setup, arguments: tuple[Any, ...], threads: int) -> None:
    """Do what comes through the pipe until there is nothing more; in a process of its own."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends this one
    try:
        work = setup(*arguments)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(threads)
        pipe.send(("ready", None))
        while (item := pipe.recv()) is not None:
            pipe.send(("result", work(item)))
    except EOFError:
        return
    except BaseException as error:
        pipe.send(("error", _portable(error)))


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be sent, with the place where it happened."""
    error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)[-3:]))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def _how_it_ended(process: Any) -> str:
    process.join()
    code = process.exitcode
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


def end_with_parent() -> None:
    """Let this process end when the one that started it was killed: it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
