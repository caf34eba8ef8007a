"""A script in a process of its own, under another interpreter, that answers lines of JSON."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
from types import TracebackType
from typing import Any, Self


class JsonProcess:
    """A process that answers each line of JSON with another, as a context manager.

    Packages that are slow to import serve many requests in one process. The first line that the
    script writes has the versions of the package and `error`: why it cannot be used, or null.

    Attributes:
      versions: of the package.
    """

    def __init__(self, python: str, script: pathlib.Path, *, package: str, flag: str, fix: str):
        """Starts the process.

        Args:
          python: the interpreter that has the package.
          script: to run.
          package: its name.
          flag: that names the interpreter.
          fix: the command that installs the package.

        Raises:
          ValueError: there is no such interpreter, or it lacks the package.
        """
        self._package = package
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [python, str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C is for the caller
            )
        except OSError as error:
            raise ValueError(
                f"{flag}: {python} is not allowed; expected an interpreter that has the"
                f" {package} package: {error.strerror}"
            ) from None
        try:
            self.versions = self._answer()
            why = self.versions.pop("error")
            if why is not None:
                raise ValueError(f"the {package} package cannot be used by {python}: {why}: {fix}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
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

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request.

        Raises:
          ValueError: the process ended.
        """
        with contextlib.suppress(BrokenPipeError):  # then there is no answer, either
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise ValueError(
                f"the {self._package} package ended its process, with status {self._process.wait()}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer
