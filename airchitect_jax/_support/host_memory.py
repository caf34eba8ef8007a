"""Refuses arrays that cannot fit into memory before anything is allocated.

Operating systems may grant more memory than exists, and kill the process when it is used.
"""

from __future__ import annotations

import contextlib
import os
import pathlib

_MEMINFO = pathlib.Path("/proc/meminfo")
_CGROUP = pathlib.Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Memory that this process can still use, or None if unknown."""
    found = [number for number in (_machine(), _control_group()) if number is not None]
    return min(found, default=None)


def check_fits(name: str, value: object, needed_bytes: int, advice: str = "lower it") -> None:
    """Refuses a setting whose arrays do not fit into memory.

    Args:
      name: the setting.
      value: its value.
      needed_bytes: a lower bound of the memory that will be allocated.
      advice: what the user can do.

    Raises:
      ValueError: more memory is needed than available; names both amounts.
    """
    available = available_bytes()
    if available is not None and needed_bytes > available:
        raise ValueError(
            f"{name}: {value} is not allowed; it takes at least {_readable(needed_bytes)} of"
            f" memory, of which {_readable(available)} are free: {advice}"
        )


def _readable(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"


def _machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    with contextlib.suppress(OSError, ValueError):  # not Linux: the total
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _control_group() -> int | None:
    """The rest of a container's limit, including cached files, which can be dropped."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        limit = int((_CGROUP / "memory.max").read_text())  # "max" is no limit
        used = int((_CGROUP / "memory.current").read_text())
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
        cached = int(dict(line.split() for line in lines)["inactive_file"])
        return max(limit - used + cached, 0)
    return None
