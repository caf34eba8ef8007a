"""Detects forks after JAX has started: its threads are lost, so computations would hang."""

from __future__ import annotations

import os

import jax

_STARTS_WITH = "jax_num_cpu_devices"  # a setting that JAX refuses to change once it has started


def _has_started() -> bool:
    value = getattr(jax.config, _STARTS_WITH)
    try:
        jax.config.update(_STARTS_WITH, -2)  # as many as by default, which is -1
    except RuntimeError:
        return True
    jax.config.update(_STARTS_WITH, value)
    return False


class _Forks:
    """Whether JAX had started before the current fork, and before a fork that led here."""

    started = False
    lost = False

    def before(self) -> None:
        self.started = _has_started()

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
