"""Imports pyarrow and xxhash; the error of a missing installation names the extra."""

from __future__ import annotations

from airchitect_jax._support.extras import MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.fs as pafs
    import pyarrow.parquet as pq
    import xxhash
except ImportError as error:  # pragma: no cover - depends on the installation
    raise MissingExtraError("Parquet and CSV sets need pyarrow and xxhash", "parquet") from error

__all__ = ["pa", "pacsv", "pafs", "pc", "pq", "xxhash"]
