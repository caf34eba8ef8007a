"""Time to the best machine over the size of the space and the number of distinct layers.

  python -m benchmarks.optimize --output=optimize.jsonl --figure=docs/figures/optimize_growth.png

Layers are synthetic. The spaces are the packaged `large`, and the same with every 2nd, 4th, 8th and
16th value of each axis. Searches that reach the time limit have a gap.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from airchitect_jax._support import files
from airchitect_jax.cost import Platform, read_platform
from airchitect_jax.oracle.machines import Budgets, MachineObjective, Question, best_machine
from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import Figure, legend_below, line_style, new_figure, styled
from airchitect_jax.workloads import GemmCounts
from benchmarks import common

flags.adopt_module_key_flags(common)
LARGEST = flags.DEFINE_integer(
    "largest", 4, "Largest number of layers, as a power of 10.", lower_bound=0, upper_bound=5
)
OBJECTIVE = flags.DEFINE_enum(
    "objective", "edp", [objective.value for objective in MachineObjective], "What is minimised."
)
AREA = flags.DEFINE_float("area_mm2", 20.0, "The budget of area.", lower_bound=1e-3)
TIME_LIMIT = flags.DEFINE_float("time_limit", 600.0, "Seconds of a search.", lower_bound=0.0)
FIGURE = flags.DEFINE_string("figure", None, "PNG file for the figure.")

_STEPS = (16, 8, 4, 2, 1)
_FEW_LAYERS = (1, 2, 4, 8, 16)
_LARGEST_DIM = 4096
_WARM_SECONDS = 1.0


def thinned(platform: Platform, step: int) -> Platform:
    """The platform with every `step`-th value of each axis, from the last one down."""
    axes = {
        name: tuple(sorted(values[::-1][::step])) for name, values in platform.hardware.axes.items()
    }
    space = dataclasses.replace(platform.hardware, **axes)
    return dataclasses.replace(platform, hardware=space)


def layers(count: int) -> GemmCounts:
    """Distinct GEMMs, log-uniform in 1..4096; the fewer are among the more."""
    rng = np.random.default_rng(common.SEED.value)
    found: dict[tuple[int, int, int], None] = {}
    while len(found) < count:
        m, n, k = np.exp(rng.uniform(0, np.log(_LARGEST_DIM + 1), 3)).astype(int).tolist()
        found[m, n, k] = None
    return GemmCounts(gemms=tuple(found), counts=(1,) * count)


def measured(platform: Platform, num_layers: int) -> dict[str, Any]:
    """A row."""
    question = Question(
        platform=platform,
        gemms=layers(num_layers),
        objective=MachineObjective(OBJECTIVE.value),
        budgets=Budgets(area_budget_um2=round(AREA.value * 1e6)),
    )
    best_machine(question, time_limit=min(_WARM_SECONDS, TIME_LIMIT.value))  # compiles
    found = best_machine(question, time_limit=TIME_LIMIT.value)
    return {
        "benchmark": "best machine of a space",
        "objective": OBJECTIVE.value,
        "machines": found.num_hardware_points,
        "distinct_layers": num_layers,
        "log10_joint_points": round(found.log10_joint_points, 2),
        "seconds": round(found.seconds, 3),
        "boxes": found.boxes_opened,
        "certified_gap": found.certified_gap if found.lower_bound else None,
        "is_finished": found.is_finished,
    }


def main() -> None:
    """Measures, prints the rows and draws the figure."""
    large = read_platform("large")
    few = [count for count in _FEW_LAYERS if count <= 10**LARGEST.value]
    many = [10**power for power in range(2, LARGEST.value + 1)]
    cases = [(step, count) for step in _STEPS for count in few] + [(1, count) for count in many]
    rows = [measured(thinned(large, step), count) for step, count in cases]
    common.emit(rows)
    if FIGURE.value:
        with files.atomic_path(pathlib.Path(FIGURE.value)) as temporary:
            temporary.write_bytes(style.to_png(growth(rows)))


@styled
def growth(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Seconds over joint points, by space, and over distinct layers of the largest space."""
    figure, (left, right) = new_figure(columns=2)
    spaces = sorted({row["machines"] for row in rows})
    for index, machines in enumerate(spaces):
        points = [
            (row["log10_joint_points"], row["seconds"])
            for row in rows
            if row["machines"] == machines and row["distinct_layers"] <= _FEW_LAYERS[-1]
        ]
        left.semilogy(*zip(*points, strict=True), label=f"{machines:,}", **line_style(index))
    left.set_xlabel("machines times mappings, powers of 10")
    left.set_ylabel("seconds")
    legend_below(figure, (left,), columns=3)
    largest = [row for row in rows if row["machines"] == spaces[-1]]
    right.loglog(
        [row["distinct_layers"] for row in largest], [row["seconds"] for row in largest], marker="o"
    )
    for row in largest:
        if not row["is_finished"]:
            gap = "no bound" if row["certified_gap"] is None else f"gap {row['certified_gap']:.1%}"
            at = row["distinct_layers"], row["seconds"]
            right.annotate(gap, at, xytext=(-4, -14), textcoords="offset points", ha="right")
    right.set_xlabel("distinct layers, largest space")
    right.set_ylabel("seconds")
    return figure


if __name__ == "__main__":
    common.run(main)
