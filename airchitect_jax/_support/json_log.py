"""Log lines as JSON objects, one per line."""

from __future__ import annotations

import datetime
import json
from typing import Any

import rich.console


def json_line(**fields: Any) -> str:
    """A line with the time (UTC, ISO 8601) and the fields."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, **fields}, allow_nan=False) + "\n"


class JsonConsole(rich.console.Console):
    """A console for programs that read logs: every text that is printed becomes a JSON object."""

    def print(self, *objects: Any, **style: Any) -> None:
        """Prints texts as the field "message"."""
        del style
        self.event("message", message=" ".join(map(str, objects)))

    def event(self, event: str, **fields: Any) -> None:
        """Prints fields of numbers and texts."""
        self.file.write(json_line(event=event, **fields))
        self.file.flush()
