"""General support: input checks, atomic files, batching, progress and workdirs."""

from typing import TYPE_CHECKING

from airchitect_jax.lazy import lazy_names

if TYPE_CHECKING:
    from airchitect_jax._support.batching import batch_mesh, map_chunks, on_devices
    from airchitect_jax._support.checks import (
        INT64_SAFE,
        MAX_COUNT,
        MAX_DIM,
        as_array,
        common_shape,
        dataflow_field,
        dataflow_member,
        file_path,
        instance,
        instance_or_default,
        int_field,
        is_traced,
        member,
        real_field,
        real_number,
        settle,
        shown,
        whole_number,
    )
    from airchitect_jax._support.checksums import (
        check_file,
        check_files,
        read_sealed,
        write_checksum,
        write_checksums,
        write_sealed,
    )
    from airchitect_jax._support.files import (
        atomic_path,
        check_regular,
        csv_text,
        inert,
        read_json,
        write_text,
    )
    from airchitect_jax._support.forks import refuse_after_fork
    from airchitect_jax._support.host_memory import check_fits
    from airchitect_jax._support.printable import one_line
    from airchitect_jax._support.registry import find, register, registered
    from airchitect_jax._support.workdir import environment, read_config
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "INT64_SAFE",
    "MAX_COUNT",
    "MAX_DIM",
    "as_array",
    "atomic_path",
    "batch_mesh",
    "check_file",
    "check_files",
    "check_fits",
    "check_regular",
    "common_shape",
    "csv_text",
    "dataflow_field",
    "dataflow_member",
    "environment",
    "file_path",
    "find",
    "inert",
    "instance",
    "instance_or_default",
    "int_field",
    "is_traced",
    "map_chunks",
    "member",
    "on_devices",
    "one_line",
    "read_config",
    "read_json",
    "read_sealed",
    "real_field",
    "real_number",
    "refuse_after_fork",
    "register",
    "registered",
    "settle",
    "shown",
    "whole_number",
    "write_checksum",
    "write_checksums",
    "write_sealed",
    "write_text",
]
