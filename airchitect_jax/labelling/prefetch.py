"""An iterator that runs in a thread, one item ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

_END = object()


class Prefetch:
    """A context manager that gives the items; errors of the iterator are raised by the consumer."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)

    def _fill(self) -> None:
        last: Any = _END
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except Exception as error:
            last = error
        self._put(last)

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __enter__(self) -> Iterator[Any]:
        self._thread.start()
        return iter(self._get, _END)

    def _get(self) -> Any:
        item = self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
