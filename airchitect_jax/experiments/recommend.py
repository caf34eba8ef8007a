"""The best accelerator for your networks: one array and buffer sizing, a dataflow for each layer.

With --platform: the best machine of a platform file in physical units, whose open values are
searched, with the best mapping of each layer; --compare puts platforms side by side.

Without: exact over every array with powers of two of rows and columns within the MAC budget, every
sizing of three SRAMs (100 .. 1000 KB each) within the SRAM budget, and every dataflow for each
layer. Prints the design; writes summary.json, COMPUTE_REPORT.csv in SCALE-Sim's columns,
layers.csv, pareto.csv, inputs for the scalesim package, figures and report.html into the workdir. A
later call may have the same workdir: its answer replaces the earlier one.

The column replay has the cycles that the scalesim 3.0.0 package reports for a layer, by an exact
replay, over those of the model; files have both. Convolutions are GEMMs here, also those whose
windows overlap.

  airchitect recommend --workload=resnet50 --mac_budget=16384
  airchitect recommend --workload=model.onnx --dim=batch=8 --objective=edp
  airchitect recommend --workload=resnet50 --workload=bert_base --weight=3 --weight=1
  airchitect recommend --workload=bert_base --platform=tpu_v4i
"""

from __future__ import annotations

import pathlib
import time
import warnings
from collections.abc import Mapping
from typing import Any

import rich.console
from absl import flags

from airchitect_jax._support import files, workdir
from airchitect_jax._support.progress import LateProgress
from airchitect_jax.cost import MAX_BANDWIDTH
from airchitect_jax.experiments import (
    design_flags,
    network_flags,
    objective_flags,
    optional_figures,
    platform_answer,
    platform_flags,
    runner,
    runtime_flags,
    term_flags,
)
from airchitect_jax.experiments.design_flags import BANDWIDTH, MAC_BUDGET, SRAM_BUDGET
from airchitect_jax.experiments.network_flags import WEIGHT, WORKLOAD
from airchitect_jax.recommendation import (
    compute_report_csv,
    layers_csv,
    pareto_csv,
    recommend,
    report,
    scalesim3_cycles,
    summary_of,
    unused_budgets,
    write_simulator_inputs,
)
from airchitect_jax.recommendation.machines import MachineObjective
from airchitect_jax.recommendation.terminal import print_answer
from airchitect_jax.types import Dataflow, Interface, Objective, RuntimeModel

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(network_flags)
flags.adopt_module_key_flags(design_flags)
flags.adopt_module_key_flags(objective_flags)
flags.adopt_module_key_flags(term_flags)
flags.adopt_module_key_flags(runtime_flags)
flags.adopt_module_key_flags(platform_flags)
flags.set_default(runner.WORKDIR, "runs/recommend")

_OF_PLATFORMS = (MachineObjective.LATENCY, MachineObjective.THROUGHPUT_PER_AREA)
OBJECTIVE = flags.DEFINE_enum(
    "objective",
    Objective.CYCLES.value,
    [objective.value for objective in (*Objective, *_OF_PLATFORMS)],
    "The quantity to minimise: cycles, energy in femtojoules, or their product; with --platform"
    " also latency (the same as cycles), or the throughput per area to maximise.",
    allow_override=True,
)

flags.set_default(MAC_BUDGET, 16_384)
flags.set_default(SRAM_BUDGET, "3000")  # more gains nothing without --platform
flags.set_default(BANDWIDTH, "64")
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
    *network_flags.ALL,
    *design_flags.ALL,
    runtime_flags.RUNTIME_MODEL,
    INTERFACE,
    TRAINED,
    term_flags.COST_TERMS,
    *objective_flags.ALL,
    *platform_flags.ALL,
)
# What a platform says itself.
_NOT_OF_PLATFORMS = (
    INTERFACE,
    TRAINED,
    runtime_flags.RUNTIME_MODEL,
    *(flag for flag in objective_flags.ALL if flag.name != OBJECTIVE.name),
)
# Relative to the workdir, beside config.json.
OUTPUTS = (
    "summary.json",
    "report.html",
    "COMPUTE_REPORT.csv",
    "layers.csv",
    "pareto.csv",
    *(
        f"figures/{name}.png"
        for name in ("roofline", "utilization", "pareto", "pareto_macs", "heatmap")
    ),
    *(f"scalesim/{flow.name.lower()}.{kind}" for flow in Dataflow for kind in ("cfg", "csv")),
    "scalesim/layout.csv",
)


def whole_bandwidth(text: str) -> int:
    """Bytes per cycle.

    Raises:
      ValueError: the text is not a whole number in 1..2**20.
    """
    if not text.isdecimal() or not 1 <= int(text) <= MAX_BANDWIDTH:
        raise ValueError(
            f"--bandwidth: {text!r} is not allowed; expected bytes per cycle in 1..{MAX_BANDWIDTH}"
            " (units such as GB/s need --platform)"
        )
    return int(text)


def _remove_earlier(folder: pathlib.Path) -> None:
    """Removes the answer of an earlier call, since the new one may not replace every file."""
    if (folder / "config.json").exists():
        for name in {*OUTPUTS, *platform_answer.OUTPUTS}:
            (folder / name).unlink(missing_ok=True)


def main(console: rich.console.Console) -> None:
    """Answers, then writes the files."""
    start = time.perf_counter()
    warnings.showwarning = lambda message, *_, **__: console.print(
        f"warning: {message}", highlight=False, markup=False, soft_wrap=True
    )
    settings = runner.values(*_OWN, runner.WORKDIR)
    answer = _answer_on_platforms if platform_flags.is_given() else _answer
    with workdir.occupy(runner.WORKDIR.value, "recommend", settings.keys()) as folder:
        answer(folder, settings, console, start)


def _answer_on_platforms(
    folder: pathlib.Path, settings: Mapping[str, Any], console: rich.console.Console, start: float
) -> None:
    for flag in _NOT_OF_PLATFORMS:
        if flag.present:
            raise ValueError(f"--{flag.name}: not with --platform, whose file says it")
    objective = OBJECTIVE.value
    platform_answer.answer(
        folder,
        settings,
        console,
        start,
        platforms=platform_flags.platforms(
            design_flags.array(),
            BANDWIDTH.value if BANDWIDTH.present else None,
            term_flags.COST_TERMS.value,
        ),
        objective=MachineObjective("latency" if objective == "cycles" else objective),
        budgets=platform_flags.budgets(
            MAC_BUDGET.value if MAC_BUDGET.present else None,
            SRAM_BUDGET.value if SRAM_BUDGET.present else None,
        ),
        workload=WORKLOAD.value,
        weights=WEIGHT.value,
        dims=network_flags.dimensions(),
        remove_earlier=_remove_earlier,
    )


def _answer(
    folder: pathlib.Path, settings: Mapping[str, Any], console: rich.console.Console, start: float
) -> None:
    if OBJECTIVE.value in {objective.value for objective in _OF_PLATFORMS}:
        raise ValueError(f"--objective: {OBJECTIVE.value} needs --platform")
    sram_budget_kb = (platform_flags.sram_bytes(SRAM_BUDGET.value) or 0) // 1024
    array, mac_budget = design_flags.array(), MAC_BUDGET.value or 0
    if array is not None and not MAC_BUDGET.present:
        mac_budget = int(array.rows * array.cols)
    with LateProgress(console, "searching", "layer") as progress:
        recommendation = recommend(
            WORKLOAD.value,
            mac_budget=mac_budget,
            sram_budget_kb=sram_budget_kb,
            bandwidth_bytes_per_cycle=whole_bandwidth(BANDWIDTH.value or ""),
            objective=OBJECTIVE.value,
            weights=WEIGHT.value,
            dims=network_flags.dimensions(),
            element_bytes=objective_flags.ELEMENT_BYTES.value,
            runtime_model=RuntimeModel(runtime_flags.RUNTIME_MODEL.value),
            interface=Interface(INTERFACE.value),
            energy_table=objective_flags.energy_table(),
            terms=term_flags.COST_TERMS.value,
            array=array,
            on_progress=progress,
        )
    answered = time.perf_counter() - start
    replayed = scalesim3_cycles(recommendation)
    print_answer(recommendation, replayed, console)
    for note in unused_budgets(
        recommendation, mac_budget=mac_budget, sram_budget_kb=sram_budget_kb
    ):
        runner.say(console, f"note: {note}")
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

    def draw() -> Mapping[str, tuple[str, Any]]:
        from airchitect_jax.recommendation import plots

        return plots.figures(recommendation, points)

    figures = optional_figures.finished(console, draw)
    page = report.page(
        f"Recommended accelerator for {', '.join(one.name for one in recommendation.networks)}",
        recommendation,
        points,
        proposal,
        replayed,
        mac_budget=mac_budget,
        sram_budget_kb=sram_budget_kb,
        drawn=figures.svgs,
        config=settings,
    )
    _remove_earlier(folder)
    workdir.write_config(folder, "recommend", settings)
    figures.save(folder)
    write_simulator_inputs(recommendation, folder / "scalesim")
    for name, text in (
        ("COMPUTE_REPORT.csv", compute_report_csv(recommendation.layers)),
        ("layers.csv", layers_csv(recommendation.layers, replayed)),
        ("pareto.csv", pareto_csv(recommendation, points)),
        ("report.html", page),
    ):
        files.write_text(folder / name, text)
    summary = summary_of(recommendation, points, proposal, replayed)
    summary |= {
        "mac_budget": mac_budget,
        "sram_budget_kb": sram_budget_kb,
        "answer_seconds": round(answered, 3),
        "wall_seconds": round(time.perf_counter() - start, 3),
    }
    files.write_json(folder / "summary.json", summary)
    console.print(f"report: {folder / 'report.html'}", highlight=False, markup=False)


if __name__ == "__main__":
    runner.run_main(main, interrupted="give the same command to start again")
