"""The HTML report of a run: training, evaluation and real networks."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping, Sequence

from airchitect_jax.learning.real_networks import NetworkResult
from airchitect_jax.reporting import document, escape, image, table

# Headings by attribute.
_CONTEXT_COLUMNS = {
    "context": "",
    "optimal_cost": "one design per layer: optimal cost",
    "chosen_cost": "as recommended",
    "normalized_performance": "normalized performance",
    "num_out_of_range": "layers out of range",
    "single_design": "best single design",
    "single_cost": "its cost",
}
_LAYER_COLUMNS = {name: name for name in ("layer", "m", "n", "k", "count")} | {
    "optimal_design": "optimal design",
    "optimal_cost": "its cost",
    "chosen_design": "chosen",
    "normalized_performance": "normalized performance",
}


def network_section(results: Sequence[NetworkResult]) -> str:
    """The contexts of one network, and its layers in a folded section."""
    cells = operator.attrgetter(*_CONTEXT_COLUMNS)
    parts = [f"<h3>{escape(results[0].network)}</h3>"]
    parts.append(table(list(_CONTEXT_COLUMNS.values()), map(cells, results)))
    parts.append("<details><summary>layers</summary>")
    cells = operator.attrgetter(*_LAYER_COLUMNS)
    for result in results:
        layers = (
            layer
            if layer.in_range
            else dataclasses.replace(layer, chosen_design="out of range: exact search")
            for layer in result.layers
        )
        parts.append(
            f"<h4>{escape(result.network)}, {escape(result.context)}</h4>"
            + table(list(_LAYER_COLUMNS.values()), map(cells, layers))
        )
    return "".join([*parts, "</details>"])


def page(
    title: str,
    *,
    claims: Sequence[Sequence[object]],
    summary: Mapping[str, object],
    config: Mapping[str, object],
    figures: Mapping[str, tuple[str, bytes]],
    networks: Sequence[Sequence[NetworkResult]],
) -> str:
    """The whole report.

    Args:
      title: the heading.
      claims: rows of (name, this run, the paper).
      summary: the contents of summary.json.
      config: the contents of config.json.
      figures: caption and PNG by name.
      networks: for each network, its results in all contexts.
    """
    figure_html = "".join(image(png, caption) for caption, png in figures.values())
    network_html = "".join(network_section(results) for results in networks)
    return document(
        title,
        f"""{table(["", "this run", "paper (arXiv 2108.08295)"], claims)}
<h2>Figures</h2>
{figure_html}
<h2>Real networks</h2>
<p>Every layer with the exact best design for it, and the design that the trained network
recommends. Cycles weigh each layer by how often it occurs. Exact search answers for layers with a
dimension outside the trained range.</p>
{network_html}
<h2>Summary</h2>
{table(["key", "value"], summary.items())}
<h2>Configuration</h2>
{table(["key", "value"], config.items())}""",
    )
