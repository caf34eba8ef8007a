"""A recommendation on the terminal."""

from __future__ import annotations

import rich.box
import rich.console
import rich.markup
import rich.table
import rich.text

from airchitect_jax.recommendation.exact import Recommendation
from airchitect_jax.recommendation.tables import Cycles, by_gemm, headline

_MOST_GEMMS = 20


def print_answer(
    recommendation: Recommendation, replayed: Cycles, console: rich.console.Console
) -> None:
    """Prints the design, its totals and the GEMMs with the most cycles."""
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
