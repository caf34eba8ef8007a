"""Shared by all scripts and benchmarks: parsing of flags, the console, errors."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

import rich.console
import rich.segment
from absl import app, flags, logging

from airchitect_jax._support import MissingExtraError, one_line
from airchitect_jax._support.json_log import JsonConsole, json_line
from airchitect_jax._support.printable import printable
from airchitect_jax.experiments import interrupts

FLAGS = flags.FLAGS

# Raised by bad input and a bad environment; anything else is a bug, and shows its trace.
_EXPECTED = (
    ValueError,
    OSError,
    MemoryError,
    EOFError,
    MissingExtraError,
    zipfile.BadZipFile,
    zlib.error,
)
_OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


def run(
    main: Callable[[rich.console.Console], None], hint: str, *, argument: str | None = None
) -> None:
    """Parses the flags and runs `main`.

    Bad input or a bad environment ends the script with one line and status 2, Ctrl-C with 130,
    SIGTERM with 143. `--verbosity=1` shows the whole trace of an error instead.

    Args:
      main: the work of the script, called with the console.
      hint: what the user can do after an interruption.
      argument: the flag whose value may be given without its name.
    """
    interrupts.install()

    def guarded(arguments: Sequence[str]) -> None:
        del arguments
        # Libraries log what they do; only their warnings are shown.
        if not FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        debugging = bool(logging.level_debug())
        if not debugging:
            # An error that a library logs with its trace is raised as well, and described here.
            logging.get_absl_logger().addFilter(lambda record: not record.exc_info)
            sys.excepthook = sys.unraisablehook = _silent

        def work() -> None:
            main(JsonConsole() if _logs_json() else make_console())
            sys.stdout.flush()  # here a full disk or a closed pipe is an error like others

        try:
            interrupts.run(work, hint, keeps_traces=debugging, shown=_line)
        except _expected() as error:
            is_bug = isinstance(error, _jax_errors()) and _OUT_OF_MEMORY not in str(error)
            if debugging or is_bug:
                _show_traces()
                raise
            _fail(describe(error))
        except BaseException:
            _show_traces()
            raise

    try:
        app.run(guarded, flags_parser=functools.partial(_parse, argument=argument))
    except BrokenPipeError as error:  # of --help
        _fail(describe(error))


def _logs_json() -> bool:
    """Whether the script has a flag for the format of its log, and it says so."""
    return "log_format" in FLAGS and FLAGS["log_format"].value == "json"


def _line(text: str) -> str:
    """The last line of a script."""
    return json_line(event="end", message=text) if _logs_json() else f"{text}\n"


def _expected() -> tuple[type[Exception], ...]:
    return _EXPECTED + _jax_errors()


def _jax_errors() -> tuple[type[Exception], ...]:
    """Errors of JAX, which not every script imports."""
    jax = sys.modules.get("jax")
    return (jax.errors.JaxRuntimeError,) if jax else ()


def _silent(*_: object) -> None:
    """Ignores errors in callbacks of libraries: what ends the script is raised, not printed."""


def _show_traces() -> None:
    """From now on an error that nobody catches shows its trace."""
    sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__


def _parse(arguments: Sequence[str], argument: str | None = None) -> list[str]:
    try:
        rest = FLAGS(arguments)
        if argument is not None and len(rest) > 1 and not FLAGS[argument].present:
            FLAGS[argument].parse(rest.pop(1))
        if len(rest) > 1:
            raise flags.Error(f"unexpected argument {rest[1]!r}: flags begin with --")
        for name in FLAGS:
            value = FLAGS[name].value
            if isinstance(value, float) and not math.isfinite(value):  # absl's bounds allow NaN
                raise flags.Error(f"--{name}: {value} is not allowed; expected a finite number")
    except flags.Error as error:
        _fail(f"{error} (--help lists the flags)")
    except SystemExit:  # of --help, after which Abseil ends with status 1
        sys.exit(0)
    return rest


def describe(error: BaseException) -> str:
    """What to tell the user of an error."""
    if isinstance(error, BrokenPipeError):
        return "standard output was closed before the end"
    if isinstance(error, (MemoryError, *_jax_errors())):
        return f"out of memory: {error}"
    return str(error) or type(error).__name__


def _fail(message: str) -> NoReturn:
    """Prints one line and ends the script with status 2."""
    with contextlib.suppress(OSError):
        sys.stderr.write(_line(f"error: {one_line(message)}"))
    try:
        sys.stdout.flush()
    except OSError:
        # What cannot be written would be tried again at the end, with a trace.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(2)


class _Console(rich.console.Console):
    """Lets `run` report that stdout is closed."""

    def on_broken_pipe(self) -> None:
        """Is called while the error is handled."""
        raise


def make_console() -> rich.console.Console:
    """A console that prints no control characters but its own: names and cells may carry some."""
    console = _Console()
    console.push_render_hook(_Escaping())
    return console


class _Escaping(rich.console.RenderHook):
    def process_renderables(
        self, renderables: list[rich.console.ConsoleRenderable]
    ) -> list[rich.console.ConsoleRenderable]:
        return [_Escaped(renderable) for renderable in renderables]


class _Escaped:
    """A renderable whose text is printable. Rich drops some control characters, and passes ESC."""

    def __init__(self, renderable: rich.console.ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> Iterable[rich.segment.Segment]:
        for text, style, control in console.render(self._renderable, options):
            if not control:
                text = "\n".join(printable(line) for line in text.split("\n"))
            yield rich.segment.Segment(text, style, control)
