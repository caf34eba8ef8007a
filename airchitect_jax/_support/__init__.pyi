from .batching import batch_mesh, map_chunks, on_devices
from .checks import (
    as_array,
    common_shape,
    dataflow_field,
    dataflow_member,
    int_field,
    is_traced,
    real_field,
)
from .checksums import (
    check_file,
    check_files,
    read_sealed,
    write_checksum,
    write_checksums,
    write_sealed,
)
from .files import (
    atomic_path,
    check_regular,
    csv_text,
    inert,
    read_json,
    write_text,
)
from .forks import refuse_after_fork
from .host_memory import check_fits
from .printable import one_line
from .registry import find, register, registered
from .scalars import (
    INT64_SAFE,
    MAX_COUNT,
    MAX_DIM,
    file_path,
    instance,
    instance_or_default,
    member,
    real_number,
    settle,
    shown,
    whole_number,
)
from .workdir import environment, read_config

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
