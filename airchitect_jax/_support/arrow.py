"""Imports pyarrow and xxhash; the error of a missing installation names the extra."""

from __future__ import annotations

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.fs as pafs
    import pyarrow.parquet as pq
    import xxhash
except ImportError as error:  # pragma: no cover - depends on the installation
    raise ImportError(
        "Parquet and CSV sets need pyarrow and xxhash: pip install 'airchitect-jax[parquet]'"
    ) from error

__all__ = ["pa", "pacsv", "pafs", "pc", "pq", "xxhash"]
