"""The packages that are compared, each in a process of its own."""

from __future__ import annotations

import dataclasses
import pathlib

from airchitect_jax._support.json_process import JsonProcess

_FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """A package.

    Attributes:
      package: its name.
      flag: that names its interpreter.
      script: that answers for it.
      fix: the command that installs it.
    """

    package: str
    flag: str
    script: pathlib.Path
    fix: str

    def start(self, python: str) -> JsonProcess:
        """The process, under the interpreter that has the package.

        Raises:
          ValueError: there is no such interpreter, or it lacks the package.
        """
        return JsonProcess(python, self.script, package=self.package, flag=self.flag, fix=self.fix)


ACCELFORGE = Peer(
    package="accelforge",
    flag="accelforge_python",
    script=_FOLDER / "accelforge_server.py",
    fix="pip install accelforge",
)
ZIGZAG = Peer(
    package="zigzag-dse",
    flag="zigzag_python",
    script=_FOLDER / "zigzag_server.py",
    fix="pip install zigzag-dse six",
)
