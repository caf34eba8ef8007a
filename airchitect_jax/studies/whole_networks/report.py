"""The report page of a study of learned machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airchitect_jax.reporting import configuration, document, facts, figure, folded, table, tiles

_COLUMNS = {
    "family": "family",
    "network": "network",
    "mac_exponent": "MAC budget",
    "sram_steps": "SRAM budget (steps)",
    "optimum": "fewest cycles",
    "regret": "regret",
    "reranked_regret": "regret, re-ranked",
    "dataflow_regret": "regret of the dataflows",
    "risk": "risk",
    "search_instead": "answered by search",
}
_QUESTIONS = {"default_sram": "largest SRAM budget", "smaller_sram": "smaller SRAM budgets"}
_ANSWERS = {
    "one_shot": "one inference",
    "reranked": "re-ranked by the exact model",
    "dataflows": "one inference, its own dataflows",
}
_QUESTION = (
    ("decision", "one array and three SRAMs for a whole network, in one inference"),
    ("objective", "fewest cycles"),
    ("networks", "each answered by a recommender that was trained without its family"),
    ("regret", "cycles above the exact optimum of the joint space, over it"),
)
CAPTION = (
    "Cycles above the optimum of all questions, the least first, with the largest and with smaller"
    " SRAM budgets. Optimal answers have a line of their own at the bottom."
)


def page(
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    svg: str,
) -> str:
    """The whole page: regrets of families that training left out, in summary and one by one.

    `svg` is the figure of regrets.
    """
    groups = [
        (asked, answered, *(f"{value:.3%}" for value in summary[group][kind].values()))
        for group, asked in _QUESTIONS.items()
        for kind, answered in _ANSWERS.items()
    ]
    main = [
        (f"median regret, {asked}", f"{summary[group]['one_shot']['median']:.3%}")
        for group, asked in _QUESTIONS.items()
    ]
    cells = [[_cell(name, row[name]) for name in _COLUMNS] for row in rows]
    header = ["questions", "answer", "median", "99th percentile", "largest", "mean"]
    return document(
        "One machine for a whole network, in one inference",
        f"""{facts("Question", _QUESTION)}
{tiles("How good one inference is", main)}
{table(header, groups, "Regrets")}
<h2>Figure</h2>
{figure(svg, CAPTION)}
<h2>Every question</h2>
{folded(f"{len(rows)} questions", table(list(_COLUMNS.values()), cells, "Every question"))}
{configuration(config)}""",
    )


def _cell(name: str, value: Any) -> Any:
    """A value of a row as the page shows it."""
    if name.endswith("regret"):
        return f"{value:.3%}"
    if name == "mac_exponent":
        return 2**value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
