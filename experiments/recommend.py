"""The best accelerator for your networks: one array and buffer sizing, a dataflow for each layer.

Exact over every array with powers of two of rows and columns within the MAC budget, every sizing of
three SRAMs (100 .. 1000 KB each) within the SRAM budget, and every dataflow for each layer. Prints
the design; writes summary.json, COMPUTE_REPORT.csv in SCALE-Sim's columns, layers.csv, pareto.csv,
inputs for the scalesim package, figures and report.html into the workdir. A later call may have the
same workdir: its answer replaces the earlier one.

The column replay has the cycles that the scalesim 3.0.0 package reports for a layer, by an exact
replay, over those of the model; files have both. Convolutions are GEMMs here, also those whose
windows overlap.

  python -m experiments.recommend --workload=resnet50 --mac_budget=16384
  python -m experiments.recommend --workload=model.onnx --dim=batch=8 --objective=edp
  python -m experiments.recommend --workload=resnet50 --workload=bert_base --weight=3 --weight=1
"""

from __future__ import annotations

import pathlib
import time
import warnings
from collections.abc import Mapping
from typing import Any

import rich.box
import rich.console
import rich.markup
import rich.table
import rich.text
from absl import flags

from airchitect_jax._support import files, workdir
from airchitect_jax._support.progress import LateProgress
from airchitect_jax.recommendation import (
    Recommendation,
    by_gemm,
    compute_report_csv,
    headline,
    layers_csv,
    pareto_csv,
    recommend,
    scalesim3_cycles,
    summary_of,
)
from airchitect_jax.types import Dataflow, Interface, RuntimeModel
from airchitect_jax.workloads import Layer, Network
from experiments import objective_flags, runner, runtime_flags, term_flags

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(objective_flags)
flags.adopt_module_key_flags(term_flags)
flags.adopt_module_key_flags(runtime_flags)
flags.set_default(runner.WORKDIR, "runs/recommend")

WORKLOAD = flags.DEFINE_multi_string(
    "workload",
    ["resnet50"],
    "A packaged network, a SCALE-Sim topology (.csv) or an ONNX model (.onnx); may be given several"
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
    "dim", [], "Size of a symbolic dimension of an ONNX model, as in --dim=batch=8."
)
MAC_BUDGET = flags.DEFINE_integer(
    "mac_budget", 16_384, "The largest number of MAC units.", lower_bound=4, upper_bound=2**24
)
SRAM_BUDGET = flags.DEFINE_integer(
    "sram_budget",
    3_000,
    "The largest total size of the three buffers, in KB; more than 3000 gains nothing.",
    lower_bound=300,
    upper_bound=2**30,
)
BANDWIDTH = flags.DEFINE_integer(
    "bandwidth", 64, "DRAM bandwidth in bytes per cycle.", lower_bound=1, upper_bound=2**20
)
INTERFACE = flags.DEFINE_enum(
    "interface",
    Interface.SHARED.value,
    [interface.value for interface in Interface],
    "One interface that all operands share, or a port of that bandwidth for each.",
)
TRAINED = flags.DEFINE_multi_string(
    "trained",
    [],
    "Workdir of a finished run of case study 1 (arrays) or 2 (sizings): its network's proposal"
    " is shown beside the exact answer; may be given several times.",
)
_OWN = (
    WORKLOAD,
    WEIGHT,
    DIM,
    MAC_BUDGET,
    SRAM_BUDGET,
    BANDWIDTH,
    runtime_flags.RUNTIME_MODEL,
    INTERFACE,
    TRAINED,
    term_flags.COST_TERMS,
    *objective_flags.ALL,
)
# Relative to the workdir, beside config.json.
OUTPUTS = (
    "summary.json",
    "report.html",
    "COMPUTE_REPORT.csv",
    "layers.csv",
    "pareto.csv",
    *(f"figures/{name}.png" for name in ("roofline", "utilization", "pareto", "heatmap")),
    *(f"scalesim/{flow.name.lower()}.{kind}" for flow in Dataflow for kind in ("cfg", "csv")),
    "scalesim/layout.csv",
)
_MOST_GEMMS = 20  # on the terminal


def dimensions(texts: list[str]) -> dict[str, int]:
    """Sizes by name.

    Raises:
      ValueError: a text is not name=size.
    """
    sizes = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        if not name or not size.isascii() or not size.isdecimal() or len(size) > 10:
            raise ValueError(f"--dim: {text!r} is not allowed; expected name=size")
        sizes[name] = int(size)
    return sizes


def _print_answer(
    recommendation: Recommendation,
    replayed: Mapping[tuple[int, int, int], int],
    console: rich.console.Console,
) -> None:
    names = ", ".join(network.name for network in recommendation.networks)
    table = rich.table.Table(rich.markup.escape(names), "recommended")
    for what, value in headline(recommendation, None):
        table.add_row(what, value)
    console.print(table)
    gemms = by_gemm(recommendation.layers)
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("first layer")  # alone is shortened on a narrow terminal
    headings = ("layers", "runs", "m x n x k", "flow", "cycles", "replay", "used", "best alone")
    for heading in headings:
        is_text = heading in ("flow", "best alone")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for plan, num_layers, runs in gemms[:_MOST_GEMMS]:
        own, cycles = plan.own_design, replayed.get(plan.gemm)
        table.add_row(
            rich.text.Text(plan.layer.name, no_wrap=True, overflow="ellipsis"),
            str(num_layers),
            f"{runs:,}",
            f"{plan.layer.m}x{plan.layer.n}x{plan.layer.k}",
            plan.dataflow.name,
            f"{plan.total_cycles * runs / recommendation.cycles:.1%}",
            "" if cycles is None else f"x{cycles / plan.total_cycles:.3g}",
            f"{plan.overall_utilization:.1%}",
            f"{own.rows}x{own.cols} {plan.own_dataflow.name}",
        )
    console.print(table)
    if len(gemms) > _MOST_GEMMS:
        console.print(f"and {len(gemms) - _MOST_GEMMS} GEMMs with fewer cycles", highlight=False)
    for network in recommendation.networks:
        if network.skipped:
            skipped = ", ".join(f"{name} ({count})" for name, count in network.skipped.items())
            console.print(
                f"{network.name}: no matrix work in {skipped}", highlight=False, markup=False
            )


def _write_simulator_inputs(recommendation: Recommendation, folder: pathlib.Path) -> None:
    """A configuration and a topology for each dataflow: the package runs one at a time."""
    from airchitect_jax.scalesim import ScalesimConfig, write_config
    from airchitect_jax.workloads import write_topology

    design, platform = recommendation.design, recommendation.survey.platform
    words = 1024 * platform.element_bytes  # bytes of a kilobyte of words
    for flow in Dataflow:
        layers: tuple[Layer, ...] = tuple(
            plan.layer for plan in recommendation.layers if plan.dataflow is flow
        )
        if not layers:
            continue
        name = flow.name.lower()
        config = ScalesimConfig(
            rows=design.rows,
            cols=design.cols,
            dataflow=flow,
            ifmap_sram_kb=max(design.ifmap_sram_bytes // words, 1),
            filter_sram_kb=max(design.filter_sram_bytes // words, 1),
            ofmap_sram_kb=max(design.ofmap_sram_bytes // words, 1),
            bandwidth_words_per_cycle=max(
                platform.bandwidth_bytes_per_cycle // platform.element_bytes, 1
            ),
            notes=(),
        )
        write_config(folder / f"{name}.cfg", config, name=f"recommended_{name}")
        write_topology(folder / f"{name}.csv", Network(name=name, layers=layers), counts=False)
    files.write_text(folder / "layout.csv", "Layer name,\n")  # which the package asks for


def _remove_earlier(folder: pathlib.Path) -> None:
    """Removes the answer of an earlier call, since the new one may not replace every file."""
    if (folder / "config.json").exists():
        for name in OUTPUTS:
            (folder / name).unlink(missing_ok=True)


def main(console: rich.console.Console) -> None:
    """Answers, then writes the files."""
    start = time.perf_counter()
    warnings.showwarning = lambda message, *_, **__: console.print(
        f"warning: {message}", highlight=False, markup=False, soft_wrap=True
    )
    settings = runner.values(*_OWN, runner.WORKDIR)
    with workdir.occupy(runner.WORKDIR.value, "recommend", settings.keys()) as folder:
        _answer(folder, settings, console, start)


def _answer(
    folder: pathlib.Path, settings: Mapping[str, Any], console: rich.console.Console, start: float
) -> None:
    with LateProgress(console, "searching", "layer") as progress:
        recommendation = recommend(
            WORKLOAD.value,
            mac_budget=MAC_BUDGET.value,
            sram_budget_kb=SRAM_BUDGET.value,
            bandwidth_bytes_per_cycle=BANDWIDTH.value,
            objective=objective_flags.OBJECTIVE.value,
            weights=WEIGHT.value,
            dims=dimensions(DIM.value),
            element_bytes=objective_flags.ELEMENT_BYTES.value,
            runtime_model=RuntimeModel(runtime_flags.RUNTIME_MODEL.value),
            interface=Interface(INTERFACE.value),
            energy_table=objective_flags.energy_table(),
            terms=term_flags.COST_TERMS.value,
            on_progress=progress,
        )
    answered = time.perf_counter() - start
    replayed = scalesim3_cycles(recommendation)
    _print_answer(recommendation, replayed, console)
    # Nothing that the answer did not need was imported for it.
    from airchitect_jax.recommendation import plots, report
    from airchitect_jax.reporting import style

    proposal = None
    if TRAINED.value:
        from airchitect_jax.learning import load_trained
        from airchitect_jax.recommendation.proposal import propose

        proposal = propose(recommendation, [load_trained(path) for path in TRAINED.value])
        console.print(
            f"the trained network proposes {proposal.design.describe()}: certified regret"
            f" {proposal.regret:.3%}, the best of {proposal.num_candidates} designs that it names",
            highlight=False,
            soft_wrap=True,
        )
    points = recommendation.front()
    figures = {
        name: (caption, style.to_png(figure))
        for name, (caption, figure) in plots.figures(recommendation, points).items()
    }
    _remove_earlier(folder)
    workdir.write_config(folder, "recommend", settings)
    style.save_pngs(folder, {name: png for name, (_, png) in figures.items()})
    _write_simulator_inputs(recommendation, folder / "scalesim")
    names = ", ".join(network.name for network in recommendation.networks)
    for name, text in (
        ("COMPUTE_REPORT.csv", compute_report_csv(recommendation.layers)),
        ("layers.csv", layers_csv(recommendation.layers, replayed)),
        ("pareto.csv", pareto_csv(recommendation, points)),
        (
            "report.html",
            report.page(
                f"Recommended accelerator for {names}",
                recommendation,
                points,
                proposal,
                replayed,
                figures=figures,
                config=settings,
            ),
        ),
    ):
        files.write_text(folder / name, text)
    summary = summary_of(recommendation, points, proposal, replayed)
    summary |= {
        "mac_budget": MAC_BUDGET.value,
        "sram_budget_kb": SRAM_BUDGET.value,
        "answer_seconds": round(answered, 3),
        "wall_seconds": round(time.perf_counter() - start, 3),
    }
    files.write_json(folder / "summary.json", summary)
    console.print(f"report: {folder / 'report.html'}", highlight=False, markup=False)


if __name__ == "__main__":
    runner.run_main(main, interrupted="give the same command to start again")
