"""Files here, and on the file systems that Arrow or fsspec knows: s3://, gs://, hdfs://, ..."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import pathlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from airchitect_jax._support import check_regular, files, one_line
from airchitect_jax._support.arrow import pa, pafs

_Out = TypeVar("_Out")


@dataclasses.dataclass(frozen=True)
class Location:
    """A file or folder.

    Attributes:
      uri: a path, or a URI with the scheme of a file system.
    """

    uri: str

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: str) -> Location:
        """A file or folder in this folder."""
        base, *query = self.uri.split("?", 1) if "://" in self.uri else [self.uri]
        return Location("?".join([f"{base.rstrip('/') or '/'}/{name}", *query]))

    @property
    def suffix(self) -> str:
        """The end of the name from the last dot, in lower case."""
        return pathlib.PurePosixPath(self._path).suffix.lower()

    @property
    def _local(self) -> pathlib.Path | None:
        local = isinstance(self._system, pafs.LocalFileSystem)
        return pathlib.Path(self._path) if local else None

    @property
    def _system(self) -> pafs.FileSystem:
        return _resolved(self.uri)[0]

    @property
    def _path(self) -> str:
        return _resolved(self.uri)[1]

    def identity(self) -> tuple[int | None, int | None]:
        """Size in bytes and time of the last change in nanoseconds, as far as they are known."""
        info = reading(self, lambda: self._system.get_file_info(self._path))
        return info.size, info.mtime_ns

    def open(self) -> pa.NativeFile:
        """Opens the file to read any part of it.

        Raises:
          ValueError: it cannot be read; names it.
        """
        if self._local is not None:
            check_regular(self._local)
        return reading(self, lambda: self._system.open_input_file(self._path))

    def exists(self) -> bool:
        """Whether there is such a file."""
        info = reading(self, lambda: self._system.get_file_info(self._path))
        return bool(info.type is pafs.FileType.File)

    def read(self) -> bytes | None:
        """The contents, or None if there is no such file.

        Raises:
          ValueError: it cannot be read; names it.
        """
        if not self.exists():
            return None
        with self.open() as file:
            return bytes(reading(self, file.read))

    def names(self) -> list[str]:
        """The names in this folder, in order; none if there is no such folder."""
        everything = pafs.FileSelector(self._path, allow_not_found=True)
        found = reading(self, lambda: self._system.get_file_info(everything))
        return sorted(info.base_name for info in found if not info.base_name.startswith("."))

    @contextlib.contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """A file to write to. It replaces this one when the block succeeds.

        Raises:
          OSError: it cannot be written.
        """
        if self._local is not None:
            with files.atomic_path(self._local) as temporary, temporary.open("wb") as file:
                yield file
            return
        # An object appears when its stream is closed, after an error too: so all at once.
        whole = io.BytesIO()
        yield whole
        with contextlib.suppress(NotImplementedError):  # object stores have no folders
            self._system.create_dir(str(pathlib.PurePosixPath(self._path).parent))
        with self._system.open_output_stream(self._path) as stream:
            stream.write(whole.getbuffer())

    def write(self, content: bytes) -> None:
        """Replaces the file.

        Raises:
          OSError: it cannot be written.
        """
        with self.writing() as file:
            file.write(content)


def reading(location: Location, action: Callable[[], _Out]) -> _Out:
    """Runs an action that reads a file; errors name the file and take one line."""
    try:
        return action()
    except (pa.ArrowException, OSError, ValueError) as error:
        text = one_line(str(error), 300)
        raise ValueError(f"{location}: cannot be read: {text}") from None


@functools.lru_cache(maxsize=1024)
def _resolved(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a URI, and the path in it.

    Raises:
      ValueError: no installed package knows the scheme.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), uri
    scheme = uri.split("://", 1)[0]
    try:
        system, path = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ValueError) as error:
        try:
            import fsspec

            theirs, path = fsspec.url_to_fs(uri)
        except ImportError as missing:
            raise ValueError(
                f"{uri}: {scheme}:// needs a package for it: {one_line(str(missing), 200)}:"
                " pip install 'airchitect-jax[remote]'"
            ) from None
        except (OSError, ValueError):
            raise ValueError(f"{uri}: {one_line(str(error), 200)}") from None
        system = pafs.PyFileSystem(pafs.FSSpecHandler(theirs))
    return system, path
