"""Progress of long jobs: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Self

import rich.console
import rich.progress

from airchitect_jax._support.json_log import JsonConsole

_PLAIN_SECONDS = 10.0  # between two lines


class Progress:
    """A context manager that shows the progress of a job, updated from any thread.

    Args:
      console: a terminal or any other output.
      title: the name of the job.
    """

    def __init__(self, console: rich.console.Console, title: str) -> None:
        self._console = console
        self._title = title
        self._lock = threading.Lock()
        self._bar: rich.progress.Progress | None = None
        self._task: Any = None
        self._last_line = 0.0
        if console.is_terminal and not isinstance(console, JsonConsole):
            self._bar = rich.progress.Progress(
                rich.progress.TextColumn(title, markup=False),
                rich.progress.BarColumn(),
                rich.progress.TaskProgressColumn(),
                rich.progress.TextColumn("{task.fields[status]}", markup=False),
                rich.progress.TimeRemainingColumn(),
                console=console,
            )

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, status="compiling")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, unit: str, done: int, total: int | None, rate: float, status: str) -> None:
        """Shows `done` of `total` units at `rate` units per second; the total may be unknown."""
        with self._lock:
            if self._bar:
                self._bar.update(self._task, completed=done, total=total, status=status)
            now = time.monotonic()
            if not self._bar and (done == total or now - self._last_line >= _PLAIN_SECONDS):
                self._last_line = now
                if isinstance(self._console, JsonConsole):
                    counts = {"done": done, "total": total, "per_second": round(rate, 3)}
                    self._console.event("progress", job=self._title, unit=unit, **counts)
                    return
                of = "" if total is None else f"/{total}"
                left = f"  {(total - done) / rate:.0f} s left" if total and rate else ""
                line = f"{unit} {done}{of}  {status}{left}"
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class LateProgress(Progress):
    """Progress of a job in stages, called with the stage, the amount done and the total.

    Shows nothing for jobs that finish within seconds.
    """

    def __init__(self, console: rich.console.Console, title: str, unit: str) -> None:
        super().__init__(console, title)
        self._unit = unit
        self._what = ""
        self._first = 0
        self._start = self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows the progress if the job takes long."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._start, self._first = what, now, done
        if self._task is None and now - self._last_line < _PLAIN_SECONDS:
            return
        if self._bar and self._task is None:
            super().__enter__()
        rate = (done - self._first) / max(now - self._start, 1e-9)
        self.show(self._unit, done, total, rate, what)


class TrainingProgress(Progress):
    """Progress of a training, called with the history after every block of steps."""

    def __init__(self, console: rich.console.Console) -> None:
        super().__init__(console, "training")
        self._first: dict[str, Any] | None = None

    def __call__(self, history: Sequence[dict[str, Any]], total_steps: int) -> None:
        """Shows the newest row."""
        row = history[-1]
        # Rates count from the first row seen, without compilation and resumption.
        first = self._first = self._first or row
        steps, seconds = row["step"] - first["step"], row["seconds"] - first["seconds"]
        rate = steps / seconds if seconds > 0 else 0.0
        status = (
            f"epoch {row['epoch']}  {rate:.1f} steps/s  loss {row['loss']:.3g}"
            f"  accuracy {row['accuracy']:.1%}"
        )
        self.show("step", row["step"], total_steps, rate, status)


class RowProgress(Progress):
    """Progress of labelling, called with finished rows and whether this run made them."""

    def __init__(self, console: rich.console.Console, title: str, total: int | None) -> None:
        super().__init__(console, title)
        self._total = total
        self._done = 0
        self._made = 0
        self._start = time.monotonic()

    def __call__(self, rows: int, made_now: bool) -> None:
        """Adds rows."""
        with self._lock:
            self._done += rows
            self._made += rows * made_now
            done, made = self._done, self._made
        rate = made / max(time.monotonic() - self._start, 1e-9)
        self.show("row", done, self._total, rate, f"{rate / 1e6:.2f} million workloads/s")

    @property
    def made_now(self) -> int:
        """Rows made by this run, without those that existed already."""
        return self._made
