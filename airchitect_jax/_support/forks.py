"""Detects forks after JAX has started: its threads are lost, so computations would hang."""

from __future__ import annotations

import os

from jax._src import xla_bridge  # no public API says whether JAX has started its threads


class _Forks:
    """Whether JAX had started before the current fork, and before a fork that led here."""

    started = False
    lost = False

    def before(self) -> None:
        self.started = xla_bridge.backends_are_initialized()

    def after_in_child(self) -> None:
        self.lost |= self.started


_FORKS = _Forks()
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_FORKS.before, after_in_child=_FORKS.after_in_child)


def refuse_after_fork() -> None:
    """Refuses computations in a process that was forked after JAX had started.

    Raises:
      RuntimeError: the process was forked so; a computation would hang.
    """
    if _FORKS.lost:
        raise RuntimeError(
            "this process was forked after JAX had started, whose threads do not survive a fork;"
            ' expected multiprocessing.get_context("spawn") or "forkserver"'
        )
