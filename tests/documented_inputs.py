"""The files that documented commands read, small."""

import re

import certified
import clocked
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import scripts
from onnx import TensorProto, helper

from airchitect_jax.oracle.machines import MachineObjective, write_certificate

GOLDEN = scripts.ROOT / "tests" / "testdata" / "scalesim"


def topology(path):
    path.write_text("Layer,M,N,K,\nfirst,64,48,32,\nsecond,1,100,70,\n")


def gemm_table(path):
    """Workloads of case study 1, by the columns' names, as Parquet or CSV."""
    columns = {"mac_budget": [64, 1024], "m": [10, 300], "n": [20, 40], "k": [500, 6]}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n")


def designs(path):
    """GEMMs on arrays with memories, as Parquet or CSV."""
    columns = {"m": [10], "n": [20], "k": [500], "rows": [8], "cols": [16], "dataflow": [1]}
    columns |= {f"{name}_sram_bytes": [65536] for name in ("ifmap", "filter", "ofmap")}
    columns["bandwidth_bytes_per_cycle"] = [8]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        row = ",".join(str(values[0]) for values in columns.values())
        path.write_text(f"{','.join(columns)}\n{row}\n")


def mappings(path):
    path.write_text("m,n,k,dataflow,order,tile_m,tile_n,tile_k\n64,64,64,WS,0,16,16,16\n")


def gemms_without_budgets(path):
    path.write_text("m,n,k\n10,20,500\n300,40,6\n")


def predictions(path):
    """The smallest design for each workload of the test set of case study 1."""
    path.write_text("design_id\n" + "0\n" * 100_000)


def accelerator(path):
    path.write_text(
        "[general]\nrun_name = own\n\n[architecture_presets]\nArrayHeight: 8\nArrayWidth: 8\n"
        "IfmapSramSzkB: 64\nFilterSramSzkB: 64\nOfmapSramSzkB: 64\nIfmapOffset: 0\n"
        "FilterOffset: 10000000\nOfmapOffset: 20000000\nBandwidth: 10\nDataflow: ws\n"
        "MemoryBanks: 1\n\n[run_presets]\nInterfaceBandwidth: USER\n"
    )


def scalesim_configuration(path):
    path.write_bytes((GOLDEN / "conv_ws_calc" / "scale.cfg").read_bytes())


def convolutions(path):
    path.write_bytes((GOLDEN / "conv_ws_calc" / "topology.csv").read_bytes())


def airchitect_v2(path):
    """Layers of made-up sizes and labels, in the columns of the data set's kind."""
    rng = np.random.default_rng(0)
    conv = path.name.startswith("conv")
    lines = ["K,C,X,Y,R,S,df,ConfigID,rewards" if conv else "M,N,GEMM_K,df,ConfigID,rewards"]
    for _ in range(400):
        k, c = 2 * rng.integers(1, 9, 2)
        x, y = 8 * rng.integers(2, 9, 2)
        side = rng.choice([1, 3, 5])
        gemm = k, (x - side + 1) * (y - side + 1), c * side * side
        flow, label = rng.choice(["dla", "eye", "shi"]), rng.integers(768)
        sizes = (k, c, x, y, side, side) if conv else gemm
        lines.append(",".join(map(str, (*sizes, flow, label, 17))))
    path.write_text("\n".join(lines) + "\n")


def onnx_model(path, dims):
    """One matrix product, some of its sizes left open by name."""
    rows = [*dims, 4, 4][:2]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*rows, 32])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*rows, 16])]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [32, 16], np.zeros(512, np.float32))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "model", inputs, outputs, [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


INPUTS = {
    "a.parquet": gemm_table,
    "b.csv": gemm_table,
    "big.parquet": gemm_table,
    "conv_dataset_100k.csv": airchitect_v2,
    "gemm_dataset_100k.csv": airchitect_v2,
    "designs.csv": designs,
    "designs.parquet": designs,
    "gemms.csv": topology,
    "mapped.csv": mappings,
    "mine.csv": topology,
    "my_network.csv": topology,
    "predictions.csv": predictions,
    "scale.cfg": accelerator,
    "topology.csv": convolutions,
    "workloads.parquet": gemm_table,
}
# One name, another file.
INPUTS_OF_PAGE = {
    ("labelling.md", "layers.csv"): gemms_without_budgets,
    ("scalesim.md", "layers.csv"): topology,
    ("scalesim.md", "scale.cfg"): scalesim_configuration,
}


def write_inputs(folder, page, words):
    """The files that a command reads, where no earlier command of the page wrote them."""
    text = " ".join(words)
    for name in set(re.findall(r"[= ]([\w]+\.(?:csv|parquet|cfg))\b", text)):
        if not (folder / name).exists():
            make = INPUTS_OF_PAGE.get((page.name, name)) or INPUTS[name]
            make(folder / name)
    if "--plugin=clocked" in text:
        (folder / "clocked.py").write_text(clocked.SOURCE)
    if "certificate.json" in words and not (folder / "certificate.json").exists():
        write_certificate(folder / "certificate.json", *certified.solved(MachineObjective.EDP))
    if "model.onnx" in text:
        onnx_model(folder / "model.onnx", re.findall(r"--dim=(\w+)=", text))
