"""The scalesim 3.0.0 package on whole files, in a process of its own: what it writes, as bytes."""

from __future__ import annotations

import dataclasses
import pathlib
import sys

from airchitect_jax._support.json_process import JsonProcess

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


class Package(JsonProcess):
    """A process that runs the package, as a context manager.

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
        super().__init__(python, _SERVER, package="scalesim", flag="package_python", fix=_FIX)
        if tuple(int(part) for part in self.versions["numpy"].split(".")[:2]) >= (2, 4):
            self.close()
            raise ValueError(
                f"the scalesim package crashes with numpy {self.versions['numpy']}, which"
                f" {python} has: {_FIX}"
            )

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
        answer = self.ask(request)
        return PackageOutput(
            files=read_files(output) if answer["error"] is None else {},
            error=answer["error"],
            lines=answer["lines"],
            seconds=answer["run_seconds"],
        )


def read_files(folder: pathlib.Path) -> dict[str, bytes]:
    """The bytes of every file below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
