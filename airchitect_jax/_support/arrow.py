"""The one place that imports pyarrow, and says which extra brings it."""

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
