"""Fuzzes the CSV, ONNX and platform readers; the only allowed error is ValueError.

`python -m tools.fuzz_readers --seconds=60` mutates samples at random; with `--coverage` atheris
mutates them, guided by coverage (extra `fuzz`). If a reader fails otherwise, prints the input and
ends with status 1.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from typing import Any

from airchitect_jax.cost import parse_platform
from airchitect_jax.workloads import parse_onnx, parse_topology

_GEMM = b"Layer,M,N,K,Count,\nfirst,10,20,30,2,\n'second',1,2,3,1,\n"
_CONV = (
    b"Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
    b" Strides,\nconv1,224,224,7,7,3,64,2,\nconvDP,56,56,3,3,64,1,1,\n"
)
_PLATFORM = b"""pname: edge
clock: 800MHz
array: {rows: [8, 64, 8], cols: [8, 64, x2], dataflows: [OS, WS]}
memory: {scratchpad: {choices: [64KB, 1MB]}, accumulator: 64KB}
dram: {bandwidth: 25.6GB/s, kind: LPDDR4}
vector_unit:
  rates: {softmax: 1/4}
"""


def samples() -> list[bytes]:
    """Files that the readers accept; the first byte selects the reader."""
    from onnx import TensorProto, helper

    def value(name: str, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inner = helper.make_graph(
        [helper.make_node("MatMul", ["f", "g"], ["z"])], "inner", [], [value("z", None, None)]
    )
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1], group=2),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("If", ["b"], ["y"], then_branch=inner, else_branch=inner),
        helper.make_node("Einsum", ["f", "g"], ["e"], equation="ij,jk->ik"),
        helper.make_node("Attention", ["q", "q", "q"], ["a"], q_num_heads=4, kv_num_heads=2),
        helper.make_node("LSTM", ["q", "r", "r"], ["l"], hidden_size=2),
    ]
    inputs = [value("x", "batch", 4, 8, 8), value("w", 4, 2, 3, 3), value("q", 2, 3, 8)]
    inputs += [value("g", 256, 5), value("r", 1, 8, 8), value("b", 1)]
    graph = helper.make_graph(nodes, "g", inputs, [value("y", None, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])
    return [b"c" + _GEMM, b"c" + _CONV, b"o" + model.SerializeToString(), _PLATFORM]


def read(data: bytes) -> str:
    """Reads one file; returns the outcome.

    Raises:
      Exception: a reader raised anything but a ValueError.
    """
    try:
        if data[:1] == b"o":
            parse_onnx(
                data[1:], name="x", source="x", dims={"batch": 2}, folder=pathlib.Path("/none")
            )
        elif data[:1] == b"p":
            parse_platform(data[1:], source="x")
        else:
            parse_topology(data[1:], name="x", source="x")
    except ValueError:
        return "refused"
    return "read"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A sample with some bytes changed, removed or added, except the first."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        place, kind = rng.randrange(1, len(changed)), rng.random()
        if kind < 0.6:
            changed[place] = rng.randrange(256)
        elif kind < 0.8:
            del changed[place : place + rng.randint(1, 8)]
        else:
            changed[place:place] = rng.randbytes(rng.randint(1, 8))
        if len(changed) < 2:
            break
    return bytes(changed)


def _at_random(seconds: float, seed: int) -> int:
    rng, seeds, counts = random.Random(seed), samples(), Counter[str]()  # noqa: S311
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(rng.choice(seeds), rng)
        try:
            counts[read(data)] += 1
        except Exception as error:
            print(f"{type(error).__name__}: {error}\n{data!r}", file=sys.stderr)
            return 1
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return 0


def _by_coverage(seconds: float, seed: int) -> None:
    try:
        import atheris
    except ImportError as error:
        raise SystemExit("--coverage needs atheris: pip install 'airchitect-jax[fuzz]'") from error
    for reader in (parse_onnx, parse_platform, parse_topology):
        atheris.instrument_func(reader)
    with tempfile.TemporaryDirectory() as folder:
        for number, sample in enumerate(samples()):
            (pathlib.Path(folder) / str(number)).write_bytes(sample)
        options = [f"-max_total_time={max(int(seconds), 1)}", "-timeout=10", f"-seed={seed + 1}"]
        atheris.Setup([sys.argv[0], *options, folder], read)
        atheris.Fuzz()  # ends the process


def main() -> int:
    """Parses the arguments and runs the fuzzer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.coverage:
        _by_coverage(arguments.seconds, arguments.seed)
    return _at_random(arguments.seconds, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
