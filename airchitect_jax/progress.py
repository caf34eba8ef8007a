"""Progress of a training run: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import rich.console
import rich.progress

_PLAIN_SECONDS = 10.0  # between two lines


class TrainingProgress:
    """A context manager that is called with the history after every block of steps."""

    def __init__(self, console: rich.console.Console) -> None:
        self._console = console
        self._bar: rich.progress.Progress | None = None
        self._task: Any = None
        self._first: dict[str, Any] | None = None
        self._last_line = 0.0
        if console.is_terminal:
            self._bar = rich.progress.Progress(
                rich.progress.TextColumn("training"),
                rich.progress.BarColumn(),
                rich.progress.TaskProgressColumn(),
                rich.progress.TextColumn("{task.fields[status]}"),
                rich.progress.TimeRemainingColumn(),
                console=console,
            )

    def __enter__(self) -> TrainingProgress:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("training", total=None, status="compiling")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, history: Sequence[dict[str, Any]], total_steps: int) -> None:
        """Shows the newest row."""
        row = history[-1]
        # Rates count from the first row seen: compiling and resuming do not blur them.
        first = self._first = self._first or row
        steps, seconds = row["step"] - first["step"], row["seconds"] - first["seconds"]
        rate = steps / seconds if seconds > 0 else 0.0
        status = f"{rate:.1f} steps/s  loss {row['loss']:.3f}  accuracy {row['accuracy']:.1%}"
        if self._bar:
            self._bar.update(self._task, completed=row["step"], total=total_steps, status=status)
        now = time.monotonic()
        last = row["step"] == total_steps
        if not self._bar and (last or now - self._last_line >= _PLAIN_SECONDS):
            self._last_line = now
            left = f"{(total_steps - row['step']) / rate:.0f} s left" if rate else "starting"
            self._console.print(
                f"step {row['step']}/{total_steps}  epoch {row['epoch']}  {status}  {left}",
                highlight=False,
                soft_wrap=True,
            )
