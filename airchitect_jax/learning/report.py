"""The HTML report of a run: training, evaluation and real networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airchitect_jax.learning.real_networks import NetworkResult
from airchitect_jax.reporting import document, escape, image, table


def network_section(results: Sequence[NetworkResult]) -> str:
    """The contexts of one network, and its layers in a folded section."""
    parts = [
        f"<h3>{escape(results[0].network)}</h3>",
        table(
            [
                "",
                "one design per layer: optimal cost",
                "as recommended",
                "normalized performance",
                "layers out of range",
                "best single design",
                "its cost",
            ],
            (
                [
                    result.context,
                    result.optimal_cost,
                    result.chosen_cost,
                    result.normalized_performance,
                    result.num_out_of_range,
                    result.single_design,
                    result.single_cost,
                ]
                for result in results
            ),
        ),
    ]
    parts.append("<details><summary>layers</summary>")
    for result in results:
        rows = (
            [
                layer.layer,
                layer.m,
                layer.n,
                layer.k,
                layer.count,
                layer.optimal_design,
                layer.optimal_cost,
                layer.chosen_design if layer.in_range else "out of range: exact search",
                layer.normalized_performance,
            ]
            for layer in result.layers
        )
        header = ["layer", "m", "n", "k", "count", "optimal design", "its cost", "chosen"]
        parts.append(
            f"<h4>{escape(result.network)}, {escape(result.context)}</h4>"
            + table([*header, "normalized performance"], rows)
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
