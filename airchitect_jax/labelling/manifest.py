"""The record of finished shards, by which a later run tells whether their files are as written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

from airchitect_jax._support import files
from airchitect_jax._support.arrow import xxhash
from airchitect_jax.labelling.storage import Location

_CHUNK = 1 << 24  # bytes
_REJECTS_HEADER = ["file", "row", "column", "value", "allowed"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished shard.

    Attributes:
      rows: how many have labels.
      rejects: how many have none.
      num_bytes: size of the labels' file.
      xxh3_128: its checksum.
      rejects_xxh3_128: that of the rejects' file; empty if there is none.
      run: identifies the run that made it.
    """

    rows: int
    rejects: int
    num_bytes: int
    xxh3_128: str
    rejects_xxh3_128: str
    run: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """The files of a run: labels/NAME.parquet, rejects/NAME.csv and manifest/NAME.json.

    The last one is written last, so that a shard that has it is finished.

    Attributes:
      folder: holds the three folders.
      run: identifies the run; a shard of another one is refused.
    """

    folder: Location
    run: str = ""

    def labels(self, name: str) -> Location:
        """The labels of a shard."""
        return self.folder / "labels" / f"{name}.parquet"

    def rejects(self, name: str) -> Location:
        """The rows of a shard that have no labels."""
        return self.folder / "rejects" / f"{name}.csv"

    def _entry(self, name: str) -> Location:
        return self.folder / "manifest" / f"{name}.json"

    def names(self) -> list[str]:
        """The finished shards."""
        return _stems((self.folder / "manifest").names(), ".json")

    def record(self, name: str, shard: Finished) -> None:
        """Marks a shard as finished."""
        self._entry(name).write((json.dumps(vars(shard)) + "\n").encode())

    def read(self, name: str) -> Finished | None:
        """The record of a shard; None if there is none, or if it is damaged.

        Raises:
          ValueError: another run made the shard.
        """
        content = self._entry(name).read()
        try:
            shard = None if content is None else Finished(**json.loads(content))
        except (TypeError, ValueError):
            return None
        if shard is not None and shard.run != self.run:
            raise ValueError(
                f"{self._entry(name)}: a shard of another run; give another folder, or remove it"
            )
        return shard

    def verified(self, name: str, on_damage: Callable[[str], None]) -> Finished | None:
        """A finished shard whose files are as they were written.

        Args:
          name: the shard.
          on_damage: gets a line for every file that is not.

        Raises:
          ValueError: another run made the shard, or a file cannot be read.
        """
        shard = self.read(name)
        if shard is None:
            if self.labels(name).exists():
                on_damage(f"{self.labels(name)}: not in the manifest; made again")
            return None
        for file, checksum in (
            (self.labels(name), shard.xxh3_128),
            (self.rejects(name), shard.rejects_xxh3_128),
        ):
            found = _checksum(file)
            if (found or "") != checksum:
                what = "missing" if found is None else "its checksum differs from the manifest's"
                on_damage(f"{file}: {what}; made again")
                return None
        return shard

    def close(self, merged_rejects: Location) -> list[Finished]:
        """Joins the rejects of all shards into one file, in the order of the input.

        Returns:
          All finished shards.

        Raises:
          ValueError: the labels hold a file of no finished shard; names it.
          OSError: the file cannot be written.
        """
        shards = {name: self.read(name) for name in self.names()}
        for name in _stems((self.folder / "labels").names(), ".parquet"):
            if shards.get(name) is None:
                raise ValueError(f"{self.labels(name)}: not of this run; remove it")
        finished = {name: shard for name, shard in shards.items() if shard is not None}
        parts = [self.rejects(name).read() for name, shard in finished.items() if shard.rejects]
        header = files.csv_text([_REJECTS_HEADER]).encode()
        merged_rejects.write(header + b"".join(part or b"" for part in parts))
        return list(finished.values())


def _stems(names: list[str], suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]


def _checksum(file: Location) -> str | None:
    """That of the contents; None if there is no such file."""
    if not file.exists():
        return None
    checksum = xxhash.xxh3_128()
    with file.open() as stream:
        while content := stream.read(_CHUNK):
            checksum.update(content)
    return checksum.hexdigest()
