"""Run SCALE-Sim files: the reports and traces of the scalesim 3.0.0 package, without the wait.

Takes the package's own command line and writes its files, byte for byte: COMPUTE_REPORT.csv,
BANDWIDTH_REPORT.csv, DETAILED_ACCESS_REPORT.csv and, with sparsity, SPARSE_REPORT.csv into a folder
of the run's name, and with -s Y six traces per layer. Nothing is written unless all layers run.

  airchitect scalesim -c scale.cfg -t topology.csv -p results -s N
  airchitect scalesim -c scale.cfg -t gemms.csv -i gemm -l layout.csv -p results
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator

import rich.console
from absl import flags

from airchitect_jax._support import one_line
from airchitect_jax._support.printable import printable
from airchitect_jax.experiments import script
from airchitect_jax.scalesim import (
    LayerReport,
    Plan,
    ScalesimResult,
    printed_settings,
    printed_text,
    read_plan,
    simulate,
)

CONFIG = flags.DEFINE_string("config", "./configs/scale.cfg", "Configuration.", short_name="c")
TOPOLOGY = flags.DEFINE_string(
    "topology", "./topologies/conv_nets/test.csv", "Topology.", short_name="t"
)
LAYOUT = flags.DEFINE_string(
    "layout",
    "./layouts/conv_nets/test.csv",
    "Layout; only custom layouts need one.",
    short_name="l",
)
OUTPUT = flags.DEFINE_string(
    "output", "./results/", "Folder that gets a folder of the run's name.", short_name="p"
)
INPUT_TYPE = flags.DEFINE_enum(
    "input_type", "conv", ["conv", "gemm"], "Kind of topology.", short_name="i"
)
SAVE_TRACE = flags.DEFINE_enum(
    "save_trace", "Y", ["Y", "N"], "Whether traces are written, too.", short_name="s"
)
STRICT = flags.DEFINE_boolean(
    "strict", False, "Refuse files that the package reads otherwise than they are written."
)
JOBS = flags.DEFINE_integer(
    "jobs", None, "Processes; by default as many as cores.", lower_bound=1, upper_bound=1024
)


def main(console: rich.console.Console) -> None:
    """Flags to files."""
    del console
    layout: str | None = LAYOUT.value
    if not LAYOUT.present and not pathlib.Path(LAYOUT.value).exists():
        layout = None  # unlike the package, which ends without one, needed or not
    with _warnings_in_lines():
        plan = read_plan(
            CONFIG.value, TOPOLOGY.value, layout, input_type=INPUT_TYPE.value, strict=STRICT.value
        )
    _say(printed_settings(plan.settings, TOPOLOGY.value, LAYOUT.value))
    folder = pathlib.Path(OUTPUT.value) / plan.settings.run_name
    with _moved_when_done(folder) as temporary:
        reports = _simulate(plan, temporary)
        ScalesimResult(settings=plan.settings, layers=tuple(reports)).write(temporary)
    _say("************ SCALE SIM Run Complete ****************")
    _say(f"{len(reports)} layers; files are in {folder}")


def _simulate(plan: Plan, folder: pathlib.Path) -> list[LayerReport]:
    """A report per layer, printed when the layer is done; traces go to the folder."""
    saves_traces = SAVE_TRACE.value == "Y"
    jobs = JOBS.value or os.cpu_count() or 1
    reports: list[LayerReport] = []
    for report in simulate(plan, jobs=jobs, trace_folder=folder if saves_traces else None):
        _say(f"\nRunning Layer {len(reports)}")
        _say(printed_text(plan.settings, report))
        if saves_traces:
            _say("Saving traces: Done!")
        reports.append(report)
    return reports


def _say(text: str) -> None:
    """Prints lines without a console, which would replace the tabs of the package's lines."""
    print("\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n")))


@contextlib.contextmanager
def _warnings_in_lines() -> Iterator[None]:
    """Prints warnings as one line each, without the lines of the program."""
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            yield
    finally:
        for warning in found:
            print(f"warning: {one_line(str(warning.message))}", file=sys.stderr)


@contextlib.contextmanager
def _moved_when_done(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder beside `folder`, whose files replace those of `folder` if the block succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.parent / f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.partial"
    temporary.mkdir()
    try:
        yield temporary
        for parent, _, names in os.walk(temporary):
            target = folder / pathlib.Path(parent).relative_to(temporary)
            target.mkdir(parents=True, exist_ok=True)
            for name in names:
                pathlib.Path(parent, name).replace(target / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    script.run(main, "nothing was written; run it again")
