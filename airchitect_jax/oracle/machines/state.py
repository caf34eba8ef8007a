"""Files from which a stopped search goes on."""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import Any

import numpy as np

from airchitect_jax._support.files import atomic_path
from airchitect_jax.oracle.machines.answer import ClosedBox, Corner, Line
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.search import Frontier, OpenBox, Search
from airchitect_jax.oracle.machines.solver import Solved
from airchitect_jax.version import __version__

_FORMAT = 1


def identity(question: Question, gap: float) -> str:
    """A checksum of what a search is about."""
    text = f"{_FORMAT} {__version__} {gap!r} {question!r}"
    return hashlib.sha256(text.encode()).hexdigest()


def write_state(path: pathlib.Path, search: Search, gap: float, seconds: float) -> None:
    """Writes where a search stands; an earlier file is replaced."""
    frontier = search.frontier
    parents = {id(box.parent): box.parent for box in frontier.boxes if box.parent is not None}
    places = {key: place for place, key in enumerate(parents)}
    text = json.dumps(
        {
            "identity": identity(search.solver.question, gap),
            "seconds": seconds,
            "opened": frontier.opened,
            "numbered": frontier.numbered,
            "best": search.candidates.best.machine,
            "boxes": [[*box[:4], box.lines, places.get(id(box.parent))] for box in frontier.boxes],
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
        if state["identity"] != identity(search.solver.question, gap):
            raise ValueError(f"{path}: the state of another question; remove it to start again")
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
                None if place is None else parents[place],
            )
            for bound, number, low, high, lines, place in state["boxes"]
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
    except (OSError, KeyError, TypeError, IndexError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: damaged ({error}); remove it to start again") from None
    return seconds


def _line(values: Any) -> Line:
    low, high, *rest = values
    return Line(tuple(low), tuple(high), *rest)
