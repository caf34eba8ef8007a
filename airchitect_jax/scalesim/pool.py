"""Work in several processes, in order, that leaves no process behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_in_order(
    function: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int
) -> Iterator[_Result]:
    """The results of all items, each as soon as those before it are done.

    Args:
      function: of the top level of a module, so that another process finds it.
      items: pickled for the process.
      jobs: most processes.

    Raises:
      MemoryError: a process was killed, most likely for want of memory.
    """
    # Processes are not forked: the threads of JAX, or of a script, would not survive it.
    pool = concurrent.futures.ProcessPoolExecutor(
        min(jobs, len(items)), multiprocessing.get_context("spawn"), initializer=_watch_parent
    )
    others = set(multiprocessing.active_children())
    try:
        with _deaf_to_interrupts():
            futures = [pool.submit(function, item) for item in items]
        for future in futures:
            yield future.result()
    except BaseException as error:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise MemoryError("a process was killed; expected fewer jobs") from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C at a terminal reaches all processes; those started here leave it to this one."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch_parent() -> None:
    """Ends this process with its parent, however that ends."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
