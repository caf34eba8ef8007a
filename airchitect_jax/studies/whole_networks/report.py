"""The report page of a study of learned machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airchitect_jax.reporting import document, image, table

_COLUMNS = {
    "family": "family",
    "network": "network",
    "mac_exponent": "log2 of the MAC budget",
    "sram_steps": "SRAM budget in steps",
    "optimum": "fewest cycles",
    "regret": "regret",
    "reranked_regret": "re-ranked",
    "dataflow_regret": "of the dataflows",
    "risk": "risk",
    "search_instead": "search instead",
}
_QUESTIONS = {"default_sram": "largest SRAM budget", "smaller_sram": "smaller SRAM budgets"}
_ANSWERS = {
    "one_shot": "one inference",
    "reranked": "re-ranked by the exact model",
    "dataflows": "one inference, its own dataflows",
}


def page(
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    png: bytes,
) -> str:
    """The whole page: regrets of families that training left out, in summary and one by one."""
    groups = [
        (asked, answered, *(f"{value:.3%}" for value in summary[group][kind].values()))
        for group, asked in _QUESTIONS.items()
        for kind, answered in _ANSWERS.items()
    ]
    cells = [[row[name] for name in _COLUMNS] for row in rows]
    return document(
        "One machine for a whole network, in one inference",
        f"""<p>Each network is answered by a recommender that was trained without its family. Regret
is the share of cycles beyond the exact optimum of the joint space.</p>
{table(["questions", "answer", "median", "99th percentile", "largest", "mean"], groups)}
{image(png, "Sorted regrets.")}
<h2>Every question</h2>
{table(list(_COLUMNS.values()), cells)}
<h2>Configuration</h2>
{table(["key", "value"], config.items())}""",
    )
