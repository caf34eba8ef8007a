"""The answer for a platform on the terminal."""

from __future__ import annotations

import rich.box
import rich.console
import rich.table
import rich.text

from airchitect_jax.recommendation.machines.answer import MachineAnswer
from airchitect_jax.recommendation.machines.tables import (
    headline,
    mapping_text,
    milliseconds,
    question,
)
from airchitect_jax.recommendation.tables import by_gemm

_MOST_ROWS = 20


def print_answer(answer: MachineAnswer, console: rich.console.Console) -> None:
    """Prints the question, the machine, its figures and the work that takes the most time."""
    table = rich.table.Table("", "", show_header=False)
    for rows in (question(answer), headline(answer)):
        for what, value in rows:
            table.add_row(rich.text.Text(what), rich.text.Text(value))
        table.add_section()
    console.print(table)
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("first layer")
    for heading in ("runs", "m x n x k", "mapping", "ms", "share", "used"):
        is_text = heading == "mapping"
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    gemms = by_gemm(answer.layers)
    for plan, _, runs in gemms[:_MOST_ROWS]:
        cycles = plan.total_cycles * runs
        table.add_row(
            rich.text.Text(plan.layer.name, no_wrap=True, overflow="ellipsis"),
            f"{runs:,}",
            f"{plan.layer.m}x{plan.layer.n}x{plan.layer.k}",
            mapping_text(plan),
            f"{milliseconds(cycles, answer):.3g}",
            f"{cycles / answer.cycles:.1%}",
            f"{plan.utilization:.1%}",
        )
    console.print(table)
    if len(gemms) > _MOST_ROWS:
        console.print(f"and {len(gemms) - _MOST_ROWS} GEMMs with fewer cycles", highlight=False)
    for note in answer.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    for network in answer.networks:
        if network.skipped:
            names = ", ".join(f"{name} ({count})" for name, count in network.skipped.items())
            console.print(f"{network.name}: not modelled: {names}", highlight=False, markup=False)
