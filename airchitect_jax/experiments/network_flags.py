"""Flags of a workload of networks."""

from __future__ import annotations

from absl import flags

from airchitect_jax.workloads.binding import dims_of

WORKLOAD = flags.DEFINE_multi_string(
    "workload",
    ["resnet50"],
    "A packaged network, a SCALE-Sim topology (.csv), an ONNX model (.onnx), a StableHLO program"
    " (.mlir, .mlirbc, .stablehlo) or an exported PyTorch program (.pt2); may be given several"
    " times.",
)
WEIGHT = flags.DEFINE_multi_integer(
    "weight",
    None,
    "How often each workload runs, in their order; once unless given.",
    lower_bound=1,
    upper_bound=2**31 - 1,
)
DIM = flags.DEFINE_multi_string(
    "dim",
    [],
    "Size of a symbolic dimension of an ONNX or PyTorch model by name, as in --dim=batch=8, or by"
    " input and axis, as in '--dim=x[0]=8'; or the value of an ONNX model's input that is one whole"
    " number.",
)
ALL = (WORKLOAD, WEIGHT, DIM)


def dimensions() -> dict[str, int]:
    """The sizes of --dim by name.

    Raises:
      ValueError: a text is not name=size.
    """
    return dims_of("--dim", DIM.value)
