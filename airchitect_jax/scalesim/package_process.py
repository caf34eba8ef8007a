"""The scalesim 3.0.0 package on whole files, in a process of its own: what it writes, as bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
from types import TracebackType
from typing import Any

_SERVER = pathlib.Path(__file__).with_name("package_server.py")
_FIX = "pip install 'airchitect-jax[scalesim]' 'numpy<2.4'"
TOO_LONG = "too long"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunInputs:
    """Where the files of one run are, all in one folder.

    Attributes:
      folder: the current folder of the run; latencies of DRAM requests are in its `results`.
      gemm: the topology is one of GEMMs.
      traces: the run writes traces, too.
    """

    folder: pathlib.Path
    gemm: bool
    traces: bool

    @property
    def config(self) -> pathlib.Path:
        """The configuration."""
        return self.folder / "scale.cfg"

    @property
    def topology(self) -> pathlib.Path:
        """The layers."""
        return self.folder / "topology.csv"

    @property
    def layout(self) -> pathlib.Path:
        """The layouts of their operands."""
        return self.folder / "layout.csv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackageOutput:
    """What the package made of one run.

    Attributes:
      files: bytes of each file, by its path below the folder of the results.
      error: with which it ended, in one line; None if it finished.
      lines: of each layer, its cycles without stalls.
      seconds: that it took.
    """

    files: dict[str, bytes]
    error: str | None
    lines: list[int]
    seconds: float


class Package:
    """A process that runs the package, as a context manager.

    The package is slow to import, so one process serves many runs, one after the other.

    Attributes:
      versions: of the package and of its NumPy.
    """

    def __init__(self, python: str = sys.executable, *, seconds: float = 20.0):
        """Starts the process.

        Args:
          python: the interpreter that has the package.
          seconds: after which a run is given up; it ends with the error `TOO_LONG`.

        Raises:
          ValueError: there is no such interpreter, it lacks the package, or its NumPy is too new.
        """
        self._seconds = seconds
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [python, str(_SERVER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C is for the caller
            )
        except OSError as error:
            raise ValueError(
                f"package_python: {python} is not allowed; expected an interpreter that has the"
                f" scalesim package: {error.strerror}"
            ) from None
        try:
            self.versions = self._answer()
            why = self.versions.pop("error")
            if why is not None:
                raise ValueError(f"the scalesim package cannot be used by {python}: {why}: {_FIX}")
            if tuple(int(part) for part in self.versions["numpy"].split(".")[:2]) >= (2, 4):
                raise ValueError(
                    f"the scalesim package crashes with numpy {self.versions['numpy']}, which"
                    f" {python} has: {_FIX}"
                )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def run(self, inputs: RunInputs) -> PackageOutput:
        """Runs the package on the files; its results stay in `package` beside them.

        Raises:
          ValueError: the process ended.
        """
        output = inputs.folder.resolve() / "package"
        request = {
            "folder": str(inputs.folder.resolve()),
            "config": str(inputs.config.resolve()),
            "topology": str(inputs.topology.resolve()),
            "layout": str(inputs.layout.resolve()),
            "output": str(output),
            "gemm": inputs.gemm,
            "traces": inputs.traces,
            "seconds": self._seconds,
        }
        with contextlib.suppress(BrokenPipeError):  # then there is no answer, either
            print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._answer()
        return PackageOutput(
            files=read_files(output) if answer["error"] is None else {},
            error=answer["error"],
            lines=answer["lines"],
            seconds=answer["run_seconds"],
        )

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise ValueError(
                f"the scalesim package ended its process, with status {self._process.wait()}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def read_files(folder: pathlib.Path) -> dict[str, bytes]:
    """The bytes of every file below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
