"""Files from which a stopped search goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import zipfile
from typing import Any

import numpy as np

from airchitect_jax._support import atomic_path, one_line
from airchitect_jax.oracle.machines.answer import ClosedBox, Corner, Line
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.search import Frontier, OpenBox, Search
from airchitect_jax.oracle.machines.solver import Solved
from airchitect_jax.version import __version__

_FORMAT = 1


def identity(question: Question, gap: float) -> str:
    """A checksum of what a search is about."""
    platform = dataclasses.replace(question.platform, terms=())  # functions have no fixed text
    text = (
        f"{_FORMAT} {__version__} {gap!r} {question.platform.term_names}"
        f" {dataclasses.replace(question, platform=platform)!r}"
    )
    return hashlib.sha256(text.encode()).hexdigest()


def write_state(path: pathlib.Path, search: Search, gap: float, seconds: float) -> None:
    """Writes where a search stands; an earlier file is replaced."""
    frontier = search.frontier
    parents = {id(one): one for box in frontier.boxes for one in box.parents}
    places = {key: place for place, key in enumerate(parents)}
    text = json.dumps(
        {
            "identity": identity(search.solver.question, gap),
            "seconds": seconds,
            "opened": frontier.opened,
            "numbered": frontier.numbered,
            "best": search.candidates.best.machine,
            "boxes": [
                [*box[:4], box.lines, [places[id(one)] for one in box.parents]]
                for box in frontier.boxes
            ],
            "closed": search.closed,
            "parents": [
                [one.line, one.cycles, one.energy_fj, one.is_whole] for one in parents.values()
            ],
        }
    )
    found = [one.found for one in parents.values()]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, text=np.array(text), found=np.array(found))


def read_state(path: pathlib.Path, search: Search, gap: float) -> float:
    """Puts a search where it stood; returns the seconds that it had taken.

    Raises:
      ValueError: the file is damaged or of another question.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            state, found = json.loads(str(file["text"])), file["found"]
        is_other = state["identity"] != identity(search.solver.question, gap)
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(_damaged(path, error)) from None
    if is_other:
        raise ValueError(f"{path}: the state of another question; remove it to start again")
    try:
        parents = [
            Solved(
                line=_line(line),
                cycles=cycles,
                energy_fj=energy,
                values=rows[:, 0],
                found=rows,
                is_whole=is_whole,
            )
            for (line, cycles, energy, is_whole), rows in zip(state["parents"], found, strict=True)
        ]
        boxes = [
            OpenBox(
                bound,
                number,
                tuple(low),
                tuple(high),
                tuple(map(_line, lines)),
                tuple(parents[place] for place in places),
            )
            for bound, number, low, high, lines, places in state["boxes"]
        ]
        closed = [
            ClosedBox(tuple(low), tuple(high), bound, tuple(map(_line, lines)))
            for low, high, bound, lines in state["closed"]
        ]
        best: Corner = tuple(state["best"])
        seconds = float(state["seconds"])
        search.candidates.attempt(best)
        search.restore(
            Frontier(boxes, len(closed), int(state["opened"]), int(state["numbered"])), closed
        )
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(_damaged(path, error)) from None
    return seconds


def _damaged(path: pathlib.Path, error: Exception) -> str:
    return f"{path}: damaged ({one_line(str(error))}); remove it to start again"


def _line(values: Any) -> Line:
    low, high, *rest = values
    return Line(tuple(low), tuple(high), *rest)
