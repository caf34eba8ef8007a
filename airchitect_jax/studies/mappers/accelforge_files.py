"""Our machines, GEMMs and mappings as AccelForge's specifications.

AccelForge stores tiles without double buffers, so its memories have the size of our working halves.
The array is a fanout of rows and columns, each of which shares the operand that it is not indexed
by; a register per unit keeps the stationary operand. The operands are A (m, k), B (k, n), C (m, n).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from airchitect_jax.cost import Platform, mapped_dims
from airchitect_jax.types import (
    Dataflow,
    Gemm,
    Hardware,
    LoopOrder,
    Mapping,
    Scratchpad,
)

# The dimensions of each operand, and its name among AccelForge's.
INDEXED_BY = {"A": "mk", "B": "kn", "C": "mn"}
OPERANDS = {"A": "input", "B": "weight", "C": "output"}
DRAM, CORES, ARRAY, REGISTER, MAC = "DRAM", "Cores", "Array", "Register", "MAC"
STATIONARY = {Dataflow.OS: "C", Dataflow.WS: "B", Dataflow.IS: "A"}
_DIMS = Gemm(m="m", n="n", k="k")


def holders(hardware: Hardware) -> dict[str, str]:
    """The memory of a core that holds each operand."""
    if isinstance(hardware.memory, Scratchpad):
        return {"A": "Scratchpad", "B": "Scratchpad", "C": "Accumulator"}
    return {"A": "Ifmap", "B": "Filter", "C": "Ofmap"}


def specification(
    gemm: Gemm,
    hardware: Hardware,
    platform: Platform,
    dataflow: Dataflow,
    mapping: Mapping | None = None,
) -> str:
    """The text of a specification; without a mapping, the package is to find one.

    Time is in cycles; the energy is that of DRAM alone, a unit for each bit.
    """
    has_registers = mapping is not None
    text = _architecture(hardware, platform, dataflow, has_registers) + _workload(gemm, platform)
    if mapping is None:
        return text
    nodes = "".join(f"  - {node}\n" for node in _nodes(gemm, mapping, hardware))
    return f"{text}mapping:\n  nodes:\n{nodes}"


def _architecture(
    hardware: Hardware, platform: Platform, dataflow: Dataflow, has_registers: bool
) -> str:
    """The machine.

    The package finds mappings without registers, which bound neither cycles nor DRAM traffic: then
    it may place the tiles of the operands in any order.
    """
    kept: dict[str, list[str]] = {}
    for operand, name in holders(hardware).items():
        kept.setdefault(name, []).append(OPERANDS[operand])
    accumulator = f"{{output: {platform.widths.accumulator_bits}}}"
    bits_per_cycle = 8 * hardware.bandwidth_bytes / hardware.bandwidth_cycles
    parts = [_memory(DRAM, "inf", "All", throughput=repr(bits_per_cycle), energy=1)]
    if hardware.num_cores > 1:
        fanouts = [
            f"{{name: {dim}, fanout: {hardware.num_cores}, may_reuse: All}}" for dim in "mnk"
        ]
        parts.append(_container(CORES, fanouts))
    for (name, operands), size in zip(kept.items(), vars(hardware.memory).values(), strict=True):
        widths = f"    bits_per_value: {accumulator}\n" if "output" in operands else ""
        parts.append(_memory(name, str(8 * (size // 2)), " | ".join(operands)) + widths)
    s_r, s_c, _ = mapped_dims(_DIMS, dataflow)
    shared = {
        dim: OPERANDS[next(name for name, dims in INDEXED_BY.items() if dim not in dims)]
        for dim in "mnk"
    }
    sides = [
        f"{{name: cols, fanout: {hardware.cols}, reuse: {shared[s_c]}}}",
        f"{{name: rows, fanout: {hardware.rows}, reuse: {shared[s_r]}}}",
    ]
    parts.append(_container(ARRAY, sides))
    if has_registers:
        parts.append(_memory(REGISTER, "inf", OPERANDS[STATIONARY[dataflow]]))
    parts.append(
        f"  - !Compute\n    name: {MAC}\n    leak_power: 0\n    area: 0\n"
        "    actions: [{name: compute, energy: 0, throughput: 1}]\n"
    )
    return "arch:\n  nodes:\n" + "".join(parts)


def _memory(name: str, size: str, keep: str, throughput: str = "inf", energy: int = 0) -> str:
    is_ordered = str(name == DRAM).lower()
    actions = ", ".join(
        f"{{name: {action}, energy: {energy}, throughput: {throughput}}}"
        for action in ("read", "write")
    )
    return (
        f"  - !Memory\n    name: {name}\n    size: {size}\n    leak_power: 0\n    area: 0\n"
        f"    tensors: {{keep: {keep}, force_memory_hierarchy_order: {is_ordered}}}\n"
        f"    actions: [{actions}]\n"
    )


def _container(name: str, fanouts: list[str]) -> str:
    return f"  - !Container\n    name: {name}\n    spatial: [{', '.join(fanouts)}]\n"


def _workload(gemm: Gemm, platform: Platform) -> str:
    widths = platform.widths
    bits = f"{{A: {widths.input_bits}, B: {widths.weight_bits}, C: {widths.output_bits}}}"
    shape = "".join(f"    {dim}: 0 <= {dim} < {getattr(gemm, dim)}\n" for dim in "mnk")
    return f"""workload:
  iteration_space_shape:
{shape}  bits_per_value: {bits}
  einsums:
  - name: GEMM
    tensor_accesses:
    - {{name: A, projection: [m, k]}}
    - {{name: B, projection: [k, n]}}
    - {{name: C, projection: [m, n], output: True}}
    renames: {{input: A, weight: B, output: C}}
"""


def _nodes(gemm: Gemm, mapping: Mapping, hardware: Hardware) -> Iterator[str]:
    """The nodes of a mapping, the outermost first; loops of one trip are left out.

    An operand is kept within the innermost loop over steps that changes its block, so that it is
    fetched when the block changes.
    """
    yield f"!Storage {{tensors: [A, B, C], component: {DRAM}}}"
    sizes = {}
    for dim in "mnk":
        cores = getattr(mapping, f"cores_{dim}")
        sizes[dim] = math.ceil(getattr(gemm, dim) / cores)
        if cores > 1:
            yield _spatial(dim, sizes[dim], CORES, dim)
    waiting = dict(holders(hardware))
    loops = [
        dim
        for dim in LoopOrder(int(mapping.order)).name.lower()
        if sizes[dim] > getattr(mapping, f"tile_{dim}")
    ]
    for depth in range(len(loops) + 1):
        if depth:
            dim = loops[depth - 1]
            sizes[dim] = getattr(mapping, f"tile_{dim}")
            yield _temporal(dim, sizes[dim])
        for operand in [x for x in waiting if not set(INDEXED_BY[x]) & set(loops[depth:])]:
            yield f"!Storage {{tensors: [{operand}], component: {waiting.pop(operand)}}}"
    flow = Dataflow(int(mapping.dataflow))
    s_r, s_c, t = mapped_dims(_DIMS, flow)
    for dim, side in ((s_c, int(hardware.cols)), (s_r, int(hardware.rows))):
        if sizes[dim] > side:
            yield _temporal(dim, side)
    yield f"!Storage {{tensors: [{STATIONARY[flow]}], component: {REGISTER}}}"
    yield _temporal(t, 1)
    yield _spatial(s_c, 1, ARRAY, "cols")
    yield _spatial(s_r, 1, ARRAY, "rows")
    yield f"!Compute {{einsum: GEMM, component: {MAC}}}"


def _temporal(dim: str, tile: int) -> str:
    return f"!Temporal {{rank_variable: {dim}, tile_shape: {tile}}}"


def _spatial(dim: str, tile: int, component: str, name: str) -> str:
    return (
        f"!Spatial {{rank_variable: {dim}, tile_shape: {tile}, component: {component},"
        f" name: {name}}}"
    )
