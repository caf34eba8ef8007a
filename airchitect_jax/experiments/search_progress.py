"""Progress of a search for the best machine."""

from __future__ import annotations

import time
from typing import Self

import rich.console

from airchitect_jax._support.progress import Progress
from airchitect_jax.oracle import machines

_SILENT_SECONDS = 2.0


class SearchProgress(Progress):
    """Shows the bound, the best cost so far and the gap, of searches that take seconds."""

    def __init__(self, console: rich.console.Console) -> None:
        super().__init__(console, "searching")
        self._last_line = time.monotonic()
        self._first: machines.Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, now: machines.Progress) -> None:
        """Shows the state of the search."""
        # Rates are of this run: boxes and seconds count earlier ones.
        first = self._first = self._first or now
        if self._task is None and self._bar:
            if now.seconds - first.seconds < _SILENT_SECONDS:
                return
            super().__enter__()
        rate = (now.boxes - first.boxes) / max(now.seconds - first.seconds, 1e-9)
        gap = f"{now.incumbent / now.bound - 1:.2%}" if now.bound else "unknown"
        status = (
            f"best {now.incumbent:.5g}  bound {now.bound:.5g}  gap {gap}"
            f"  {now.open_boxes} open  {rate:.0f} boxes/s"
        )
        self.show("box", now.boxes, None, rate, status)
