"""Imports pyarrow; the error of a missing installation names the extra."""

from __future__ import annotations

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq
except ImportError as error:  # pragma: no cover - depends on the installation
    raise ImportError(
        "Parquet and CSV sets need pyarrow: pip install 'airchitect-jax[parquet]'"
    ) from error

__all__ = ["pa", "pacsv", "pc", "pq"]
