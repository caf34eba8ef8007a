"""Ctrl-C and SIGTERM end a script with one line on stderr, and status 130 or 143.

Importing the libraries takes seconds, so the package's `__init__` installs this before it imports
anything else; hence the standard library alone. Until `run` is called there is nothing to clean up
and a signal ends the process at once. Within `run` it raises KeyboardInterrupt, so that temporary
files go. Once a script's work is done it changes nothing. Work within `stoppable` may catch it, and
write what it has found before the script ends.

Python runs its handlers between two of its own instructions, and what they raise can be swallowed
by a callback or wait for a compilation. So the C-level handler also wakes a thread, which ends the
process when a signal has had no effect for a while, or at the second one.
"""

from __future__ import annotations

import atexit
import contextlib
import enum
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

INTERRUPTED, TERMINATED = "interrupted", "terminated"

_GRACE_SECONDS = 2.0
_WORDS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class _Phase(enum.Enum):
    IMPORTING = enum.auto()
    RUNNING = enum.auto()
    STOPPABLE = enum.auto()
    CLOSING = enum.auto()


class _Interrupts:
    """The handlers and their state."""

    def __init__(self) -> None:
        self._phase = _Phase.IMPORTING
        self._received: int | None = None  # the signal that ends `run`
        self._hint = "nothing was started"
        self._keeps_traces = False
        self._shown: Callable[[str], str] = "{}\n".format
        self._stderr = os.dup(2)
        self._unsaid = [True]  # emptied by whoever prints the line: `pop` is atomic
        self._farewells: list[Callable[[str], object]] = []
        self._stopped: tuple[str, int] | None = None  # by `stop`, with what it says
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()
        for number in _WORDS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and `&` ask for
                signal.signal(number, self._handle)
        # What is registered first runs last. After it the interpreter takes its handlers away.
        atexit.register(self._ignore)

    def run(
        self,
        main: Callable[[], None],
        hint: str,
        *,
        keeps_traces: bool,
        shown: Callable[[str], str],
    ) -> None:
        """See the function `run`."""
        self._hint, self._keeps_traces, self._shown = hint, keeps_traces, shown
        try:
            try:
                self._phase = _Phase.RUNNING
                main()
            finally:
                self._phase = _Phase.CLOSING
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self._received is None:
                self._received = signal.SIGINT  # raised by other means
            # An error that a library raises because of the interruption is not reported.
            if self._received is None or keeps_traces:
                raise
        if self._received is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            self._leave(self._received)

    def on_signal(self, farewell: Callable[[str], object]) -> None:
        """See the function `on_signal`."""
        self._farewells.append(farewell)

    def stop(self, text: str, status: int) -> None:
        """See the function `stop`."""
        self._stopped = text, status
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        self._leave(signal.SIGTERM)

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """See the function `stoppable`."""
        self._phase = _Phase.STOPPABLE
        try:
            yield
        finally:
            self._phase = _Phase.RUNNING

    def _ignore(self) -> None:
        for number in _WORDS:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._phase is _Phase.IMPORTING or self._received is not None:
            self._leave(number)
        elif self._phase is _Phase.RUNNING:
            self._received = number
            if not self._keeps_traces:
                self._mute()
            raise KeyboardInterrupt
        elif self._phase is _Phase.STOPPABLE:
            self._received = number
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """See the function `muted`."""
        if not self._keeps_traces:
            self._mute()
        try:
            yield
        finally:
            if self._received is None:
                os.dup2(self._stderr, 2)

    def _mute(self) -> None:
        """Sends stderr to the null device: libraries would print that they were interrupted."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)

    def _watch(self, reader: int) -> None:
        """Ends the process if the first signal does not, or at the second."""
        first = self._next(reader)
        if self._phase is not _Phase.STOPPABLE:
            timer = threading.Timer(_GRACE_SECONDS, self._leave, (first,))
            timer.daemon = True
            timer.start()
        self._next(reader)
        self._leave(first)

    def _next(self, reader: int) -> int:
        while (number := os.read(reader, 1)[0]) not in _WORDS:
            pass  # not one of our signals
        return number

    def _leave(self, number: int) -> None:
        """Prints the line, once, and ends the process without further output."""
        try:
            self._unsaid.pop()
        except IndexError:
            return  # whoever prints it is about to end the process
        word = _WORDS[signal.Signals(number)]
        text, status = self._stopped or (word, 128 + number)
        with contextlib.suppress(OSError):
            line = self._shown(f"{text}; {self._hint}")
            os.write(self._stderr, line.encode(errors="backslashreplace"))
        if self._stopped is None:
            for farewell in self._farewells:
                farewell(word)
        os._exit(status)


_installed: list[_Interrupts] = []  # one for each process


def install() -> None:
    """From now on signals end this process as described above."""
    if not _installed:
        _installed.append(_Interrupts())


def run(
    main: Callable[[], None], hint: str, *, keeps_traces: bool, shown: Callable[[str], str]
) -> None:
    """Runs the work of a script. Returns when it is done; does not return if it is interrupted.

    Args:
      main: the work.
      hint: what the user can do after an interruption.
      keeps_traces: whether stderr stays open to libraries, and KeyboardInterrupt is raised.
      shown: makes the line that is printed of its text.
    """
    install()
    _installed[0].run(main, hint, keeps_traces=keeps_traces, shown=shown)


def on_signal(farewell: Callable[[str], object]) -> None:
    """Has `farewell` called when a signal ends the script, with "interrupted" or "terminated"."""
    install()
    _installed[0].on_signal(farewell)


def stop(text: str, status: int) -> None:
    """Ends the script from another thread as a signal would, but with this text and status."""
    install()
    _installed[0].stop(text, status)


def muted() -> contextlib.AbstractContextManager[None]:
    """Within this block what libraries print to stderr is lost; the line of a signal is not."""
    install()
    return _installed[0].muted()


def stoppable() -> contextlib.AbstractContextManager[None]:
    """Within this block the first signal raises KeyboardInterrupt and no more.

    Whoever catches it may take its time to write what there is; then `run` ends the script as after
    any other signal. A second signal ends it at once.
    """
    install()
    return _installed[0].stoppable()
