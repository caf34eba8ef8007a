"""The best accelerator of a space too large to enumerate, with a proof.

One machine for a network, or for several with weights: the array, the cores, each memory and the
bandwidth, with the best mapping of each layer, under budgets of area, power, SRAM, MAC units and
latency. The space is what a platform file leaves open. The search is exact: it ends with the best
machine or, with --gap, --time_limit or Ctrl-C, with the best so far and a proven bound of how far
it can be from the best (docs/optimize.md).

Prints the machine; writes summary.json, certificate.json, platform.yaml, layers.csv, operators.csv,
report.html and figures into the workdir; with --pareto also pareto.csv, front.html and a figure. A
run that was stopped or killed goes on with --resume, to the same answer.

  airchitect optimize --workload=resnet50 --area_budget=20mm2 --objective=edp
  airchitect optimize --workload=bert_base --platform=mine.yaml --gap=0.01
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any

import rich.console
from absl import flags

from airchitect_jax._support import files
from airchitect_jax._support.progress import LateProgress
from airchitect_jax.experiments import (
    design_flags,
    interrupts,
    network_flags,
    optional_figures,
    platform_answer,
    platform_flags,
    resume_flag,
    runner,
    term_flags,
)
from airchitect_jax.experiments.search_progress import SearchProgress
from airchitect_jax.oracle.machines import (
    MachineObjective,
    mapping_points,
    pareto_front,
    write_certificate,
)
from airchitect_jax.recommendation.machines import (
    MachineAnswer,
    front_csv,
    optimize,
    report,
    summary_of,
)
from airchitect_jax.recommendation.machines.terminal import print_answer

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(network_flags)
flags.adopt_module_key_flags(design_flags)
flags.adopt_module_key_flags(term_flags)
flags.adopt_module_key_flags(resume_flag)
for _flag in platform_flags.OF_ONE:
    flags.declare_key_flag(_flag.name)
flags.set_default(runner.WORKDIR, "runs/optimize")
flags.set_default(platform_flags.PLATFORM, "large")

OBJECTIVE = flags.DEFINE_enum(
    "objective",
    MachineObjective.LATENCY.value,
    [objective.value for objective in MachineObjective],
    "The quantity to minimise, or the throughput per area to maximise.",
)
GAP = flags.DEFINE_float(
    "gap",
    0.0,
    "The search ends when the cost is proven to be at most this share above the best.",
    lower_bound=0.0,
    upper_bound=1e6,
)
TIME_LIMIT = flags.DEFINE_float(
    "time_limit",
    None,
    "Seconds after which the search ends with the best machine so far.",
    lower_bound=0.0,
    upper_bound=1e9,
)
PARETO = flags.DEFINE_boolean(
    "pareto",
    False,
    "Also points of the front of latency, energy and area, each with its own bound and gap, within"
    " another --time_limit.",
)
_OWN = (
    *network_flags.ALL,
    *design_flags.ALL,
    *platform_flags.OF_ONE,
    term_flags.COST_TERMS,
    OBJECTIVE,
    GAP,
    TIME_LIMIT,
    PARETO,
)
STATE = "search.state"


def main(console: rich.console.Console) -> None:
    """Searches, then writes the files."""
    start = time.perf_counter()
    if platform_flags.COMPARE.present:
        raise ValueError("--compare: not allowed here; --platform is the only one")
    (platform,) = platform_flags.platforms(
        design_flags.array(), design_flags.BANDWIDTH.value, term_flags.COST_TERMS.value
    )
    budgets = platform_flags.budgets(design_flags.MAC_BUDGET.value, design_flags.SRAM_BUDGET.value)
    dims = network_flags.dimensions()
    settings = runner.values(*_OWN, runner.WORKDIR)
    with runner.claim(
        "optimize", settings, resume=resume_flag.RESUME.value, free={TIME_LIMIT.name}
    ) as folder:
        with SearchProgress(console) as progress, interrupts.stoppable():
            answer = optimize(
                network_flags.WORKLOAD.value,
                None,
                platform,
                OBJECTIVE.value,
                budgets,
                gap=GAP.value,
                time_limit=TIME_LIMIT.value,
                weights=network_flags.WEIGHT.value,
                dims=dims,
                on_progress=progress,
                state=folder / STATE,
            )
        print_answer(answer, console)
        contents = platform_answer.rendered(settings, [answer], console)
        platform_answer.write(folder, contents)
        write_certificate(folder / "certificate.json", answer.question, answer.optimum)
        files.write_json(folder / "summary.json", _summary(answer, start))
        for name in contents.pages:
            runner.say(console, f"report: {folder / name}")
        if PARETO.value:
            _write_front(folder, answer, settings, console)


def _write_front(
    folder: pathlib.Path,
    answer: MachineAnswer,
    settings: Mapping[str, Any],
    console: rich.console.Console,
) -> None:
    """Searches the points of the front; searches that were stopped go on."""
    with LateProgress(console, "searching", "point") as progress:
        points = pareto_front(
            answer.question,
            gap=GAP.value,
            time_limit=TIME_LIMIT.value,
            on_progress=lambda done, most: progress("the front", done, most),
            state=folder / "front",
        )
    files.write_text(folder / "pareto.csv", front_csv(points))

    def draw() -> Mapping[str, tuple[str, Any]]:
        from airchitect_jax.recommendation.machines import front_plot

        return {"front": (front_plot.CAPTION, front_plot.front(points))}

    if points:
        figures = optional_figures.finished(console, draw)
        figures.save(folder)
        page = report.front_page(answer, points, drawn=figures.svgs, config=settings)
        files.write_text(folder / "front.html", page)
    runner.say(console, f"{folder}: {len(points)} points of the front in pareto.csv")


def _summary(answer: MachineAnswer, start: float) -> dict[str, Any]:
    cores, dataflows = int(answer.hardware.num_cores), len(answer.platform.dataflows)
    return {
        **summary_of(answer),
        "mapping_points": [
            {"m": m, "n": n, "k": k, "points": mapping_points((m, n, k), cores, dataflows)}
            for m, n, k in answer.question.gemms.gemms
        ],
        "wall_seconds": round(time.perf_counter() - start, 3),
    }


if __name__ == "__main__":
    runner.run_main(main, interrupted="give the same command with --resume to go on")
