"""Analyses the design space of a case study: optimal designs by workload, label statistics.

Draws workloads by two distributions, labels them by exact search, and writes captioned figures,
tables, report.html and summary.json into the workdir.

Statistics are shown for both distributions. Where a figure has room for one, --distribution says
which: log_uniform in case studies 1 and 3 and uniform in 2 unless given.

  airchitect design_space --case_study=1
  airchitect design_space --case_study=2 --num_workloads=100000 --workdir=runs/sizing
"""

from __future__ import annotations

import time
from typing import Any

import rich.console
import rich.table
from absl import flags

from airchitect_jax._support.progress import Progress
from airchitect_jax.experiments import case_flags, gemm_flags, runner
from airchitect_jax.studies.design_space import array_dataflow, buffers, draw, report, schedules
from airchitect_jax.studies.design_space.changes import variants
from airchitect_jax.workloads import Distribution, load_network, network_names

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(case_flags)

NUM_WORKLOADS = flags.DEFINE_integer(
    "num_workloads",
    1_000_000,
    "Random workloads of each distribution. A million takes one to two minutes and up to 1.6 GB;"
    " the slower statistics use part of them, as their figures state.",
    lower_bound=10_000,
    upper_bound=4_000_000,
)
flags.set_default(runner.WORKDIR, "runs/design_space")

# The module with what only a case study shows (a registered one has none), and the distribution
# that shows more of it: log-uniform dimensions fill the plane of shapes, uniform ones are large
# enough to need memory.
_SHOWN: Any = {
    "1": (array_dataflow, Distribution.LOG_UNIFORM),
    "2": (buffers, Distribution.UNIFORM),
    "3": (schedules, Distribution.LOG_UNIFORM),
}


def main(console: rich.console.Console) -> None:
    """Analyses the case study of the flags."""
    start = time.perf_counter()
    own, shown = _SHOWN.get(case_flags.CASE_STUDY.value, (None, Distribution.LOG_UNIFORM))
    is_chosen = flags.FLAGS["distribution"].present
    case = case_flags.make_case(**{} if is_chosen else {"distribution": shown})
    settings = runner.values(
        *case_flags.ALL, NUM_WORKLOADS, *gemm_flags.ALL, runner.SEED, runner.WORKDIR
    )
    settings["distribution"] = case.distribution.value  # resolved
    # The same settings may be run again: the results are the same.
    with runner.claim("design_space", settings, resume=True) as folder:
        networks = [load_network(name) for name in network_names()]
        with Progress(console, case.name) as progress:
            progress.show("figure", 0, None, 0.0, "labelling")
            samples = [
                draw(
                    distribution.value.replace("_", "-"),
                    case_flags.make_case(distribution=distribution),
                    seed=runner.SEED.value,
                    num=NUM_WORKLOADS.value,
                )
                for distribution in sorted(Distribution, key=lambda d: d is not case.distribution)
            ]
            finished = report.make(
                report.sections(
                    samples,
                    variants(case) if own else {},
                    networks,
                    own.exhibits(case, samples, networks) if own else [],
                ),
                lambda name, done, total: progress.show("figure", done, total, 0.0, name),
            )
        seconds = time.perf_counter() - start
        summary = report.write(folder, samples, finished, settings=settings, seconds=seconds)
        table = rich.table.Table(case.name, *(sample.name for sample in samples))
        for row in report.glance(samples, finished):
            table.add_row(*map(str, row))
        console.print(table)
        runner.say(
            console,
            f"{len(finished)} figures in {summary['wall_seconds']:.0f} s: {folder / 'report.html'}",
        )


if __name__ == "__main__":
    runner.run_main(main, interrupted="finished files are whole; the same command starts again")
