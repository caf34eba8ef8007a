"""The labelling engine on Ray Data: workers of a cluster label the pieces of a source.

There are as many workers as the cluster has room for, more when nodes join. When one dies, another
one labels its piece again, without the shards that are finished.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from airchitect_jax._support import MissingExtraError, one_line
from airchitect_jax.labelling.engine import Engine
from airchitect_jax.labelling.manifest import Finished
from airchitect_jax.labelling.sources import Piece

try:
    import ray
    import ray.data
    import ray.exceptions
except ImportError as error:
    raise MissingExtraError("Ray is needed", "ray") from error

_MOST_TASKS = 10_000  # the driver holds a block for each
# Without progress, until the run fails. A long CSV file is one piece; a piece whose workers die
# every time, for lack of memory, is tried again and again.
_PATIENCE_SECONDS = 24 * 3600


def run(
    engine: Engine,
    on_shard: Callable[[Finished, bool], None],
    on_damage: Callable[[str], None],
    setup: Callable[[], None],
) -> None:
    """Labels the missing shards on the cluster that this process is connected to.

    A worker takes one CPU, and one GPU if the cluster has any.

    Args:
      engine: what is labelled; all nodes must have access to its files.
      on_shard: as for `Engine.run`, called when the piece of the shard is done.
      on_damage: as for `Engine.run`.
      setup: called once in every worker, before anything else.

    Raises:
      ValueError: an input cannot be read, an output cannot be written, a shard is of another run,
        or, if strict, a row is invalid.
      OSError: the cluster fails, or its nodes write to different folders.
    """
    pieces = [{"piece": json.dumps(vars(piece))} for piece in engine.source.pieces()]
    if not pieces:
        return
    tasks = ray.data.from_items(pieces, override_num_blocks=min(len(pieces), _MOST_TASKS))
    labelled = tasks.map_batches(
        Labeller,
        fn_constructor_args=(engine, pathlib.Path.cwd(), setup),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=len(pieces)),
        num_cpus=1,
        num_gpus=1 if ray.cluster_resources().get("GPU") else None,  # type: ignore[no-untyped-call]
    )
    labelled.context.enable_progress_bars = False
    labelled.context.execution_no_progress_timeout_s = _PATIENCE_SECONDS
    num_shards = 0
    try:
        for row in labelled.iter_rows():
            num_shards += repeat(row["events"], on_shard, on_damage)
    except ray.exceptions.RayTaskError:
        raise  # nothing that the engine foresees
    except ray.exceptions.RayError as error:
        text = re.sub(r"\x1b\[[\d;]*m", "", str(error))  # without colours
        raise OSError(f"Ray: {one_line(text, 300)}") from None
    found = len(engine.manifest.names())
    if found < num_shards:
        raise OSError(
            f"{engine.manifest.folder}: holds {found} of {num_shards} shards; expected a folder"
            " that all nodes share"
        )


class Labeller:
    """A worker, which compiles once.

    Args:
      engine: what is labelled.
      folder: that relative paths start from.
      setup: called first.
    """

    def __init__(self, engine: Engine, folder: pathlib.Path, setup: Callable[[], None]) -> None:
        # XLA would use all cores of the node, as would the other workers there.
        os.environ.setdefault("NPROC", "1")
        with contextlib.suppress(OSError):  # nodes without it may do with URIs
            os.chdir(folder)
        setup()
        self._engine = engine

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
        """Labels a piece; returns the events for `repeat`."""
        events: list[tuple[str, Any]] = []
        try:
            self._engine.run(
                lambda shard, made_now: events.append(("shard", (vars(shard), made_now))),
                lambda line: events.append(("damage", line)),
                Piece(**json.loads(batch["piece"][0])),
            )
        except (OSError, ValueError) as error:
            events.append(("error", str(error)))
        return {"events": [json.dumps(events)]}


def repeat(
    events: str, on_shard: Callable[[Finished, bool], None], on_damage: Callable[[str], None]
) -> int:
    """Calls what the engine has called in a worker; returns the number of shards.

    Raises:
      ValueError: what the engine has raised.
    """
    num_shards = 0
    for kind, content in json.loads(events):
        if kind == "error":
            raise ValueError(content)
        if kind == "damage":
            on_damage(content)
        else:
            finished, made_now = content
            on_shard(Finished(**finished), made_now)
            num_shards += 1
    return num_shards
