"""The HTML report of a run: training, evaluation and real networks."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.losses import Loss
from airchitect_jax.learning.real_networks import NetworkResult
from airchitect_jax.reporting import (
    configuration,
    document,
    escape,
    facts,
    figures,
    folded,
    table,
    tiles,
)
from airchitect_jax.reporting.words import in_words

PAPER_ACCURACY = 0.943
PAPER_GEOMEAN = 0.999

# Headings by attribute.
_CONTEXT_COLUMNS = {
    "context": "constraint",
    "optimal_cost": "optimal cost",
    "chosen_cost": "cost as recommended",
    "normalized_performance": "optimal / recommended",
    "num_out_of_range": "layers out of range",
    "single_design": "best single design",
    "single_cost": "its cost",
}
_LAYER_COLUMNS = {name: name for name in ("layer", "m", "n", "k", "count")} | {
    "optimal_design": "optimal design",
    "optimal_cost": "its cost",
    "chosen_design": "recommended design",
    "normalized_performance": "optimal / recommended",
}
# The values in large type, by their key.
_MAIN = {
    "optimal_set_accuracy": "workloads with an optimal choice",
    "geomean_normalized_performance": "optimal / chosen cost (geomean)",
    "p01_normalized_performance": "optimal / chosen cost (1st percentile)",
    "min_normalized_performance": "optimal / chosen cost (lowest)",
}


def question(case: CaseStudy, summary: Mapping[str, Any]) -> list[tuple[str, object]]:
    """What the network decides, and for which workloads: rows of (name, value)."""
    ranges = {
        in_words(feature.name): f"{feature.low:,} to {feature.high:,}" for feature in case.features
    }
    objective, unit = case.settings.get("objective", case.objective.value), case.objective.unit
    return [
        ("decision", f"{case.title}, one of {case.space.num_designs:,} designs"),
        ("objective", f"least {in_words(objective)}" + f" ({unit})" * (unit != objective)),
        *((name, text) for name, text in ranges.items()),
        *(
            (in_words(name), value)
            for name, value in case.settings.items()
            if name not in ("objective", "distribution") and isinstance(value, str)
        ),
        ("distribution of the dimensions", case.distribution.value.replace("_", "-")),
        ("network", f"{summary['model']}, trained on {', '.join(summary['told'])}"),
        ("test set", f"{summary['num_test']:,} unseen workloads"),
    ]


def claims(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of (name, this run, the paper).

    The paper's figures stand beside those of a network that is trained on labels, as the paper's.
    """
    geomean = "geomean_normalized_performance"
    accuracy, performance = f"up to {PAPER_ACCURACY:.1%}", f"{PAPER_GEOMEAN:.1%}"
    if summary["loss"] != Loss.LABEL.value:
        accuracy = performance = ""
    rows = [
        ("the network is told", ", ".join(summary["told"]), "labels"),
        ("test accuracy", f"{summary['test_accuracy_unmasked']:.2%}", accuracy),
        ("test accuracy, infeasible designs masked", f"{summary['test_accuracy']:.2%}", ""),
        ("geomean of normalized performance", f"{summary[geomean]:.3%}", performance),
        ("optimal-set accuracy", f"{summary['optimal_set_accuracy_unmasked']:.2%}", ""),
        (
            "optimal-set accuracy, infeasible designs masked",
            f"{summary['optimal_set_accuracy']:.2%}",
            "",
        ),
        ("infeasible first choices", f"{summary['infeasible_first_choice_share']:.3%}", ""),
        ("top-5 accuracy", f"{summary['top5_accuracy']:.2%}", ""),
        ("1st percentile of performance", f"{summary['p01_normalized_performance']:.3%}", ""),
        ("lowest performance", f"{summary['min_normalized_performance']:.2%}", ""),
        ("accuracy of the majority class", f"{summary['majority_class_accuracy']:.2%}", ""),
        ("label entropy (bits)", f"{summary['label_entropy_bits']:.2f}", ""),
    ]
    for name, metrics in summary["heuristics"].items():
        rows += [
            (f"{name}: optimal-set accuracy", f"{metrics['optimal_set_accuracy']:.2%}", ""),
            (f"{name}: geomean", f"{metrics[geomean]:.3%}", ""),
        ]
    per_label, per_inference = (
        f"{1e6 / summary[key]:.3f}" for key in ("labels_per_second", "inference_per_second")
    )
    return [
        *rows,
        ("microseconds per workload, exhaustive search", per_label, ""),
        ("microseconds per workload, the network", per_inference, ""),
        ("parameters of the network", f"{summary['num_parameters']:,}", ""),
        ("training examples seen", f"{summary['num_train_examples_seen']:,}", ""),
        ("test workloads", f"{summary['num_test']:,}", "100,000"),
    ]


def main_values(summary: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The values in large type: rows of (name, value)."""
    return [(label, f"{summary[key]:.2%}") for key, label in _MAIN.items()]


def network_section(results: Sequence[NetworkResult]) -> str:
    """The contexts of one network, and folded its layers in that with the lowest performance."""
    cells = operator.attrgetter(*_CONTEXT_COLUMNS)
    name = results[0].network
    worst = min(results, key=lambda result: result.normalized_performance)
    layers = (
        layer
        if layer.in_range
        else dataclasses.replace(layer, chosen_design="out of range: exact search")
        for layer in worst.layers
    )
    of_layers = table(
        list(_LAYER_COLUMNS.values()),
        map(operator.attrgetter(*_LAYER_COLUMNS), layers),
        f"Layers of {name}, {worst.context}",
    )
    return (
        f"<h3>{escape(name)}</h3>"
        + table(list(_CONTEXT_COLUMNS.values()), map(cells, results), f"{name} by constraint")
        + folded(f"Layers, {worst.context}", of_layers)
    )


def page(
    title: str,
    *,
    question: Iterable[tuple[str, object]],
    main: Iterable[tuple[str, object]],
    claims: Iterable[Sequence[object]],
    summary: Mapping[str, Any],
    config: Mapping[str, object],
    drawn: Mapping[str, tuple[str, str]],
    networks: Sequence[Sequence[NetworkResult]],
) -> str:
    """The whole report.

    Args:
      title: the heading.
      question: rows of (name, value).
      main: the values in large type, rows of (name, value).
      claims: rows of (name, this run, the paper).
      summary: the contents of summary.json.
      config: the contents of config.json.
      drawn: caption and SVG by name.
      networks: for each network, its results in all contexts.
    """
    sections = "".join(network_section(results) for results in networks)
    header = ["measure", "this run", "paper (arXiv 2108.08295)"]
    return document(
        title,
        f"""{facts("Question", question)}
{tiles("How good the network is", main)}
<h2>All measures</h2>
{table(header, claims, "Measures of this run beside the paper's")}
<h2>Figures</h2>
{figures(drawn)}
<h2>Real networks</h2>
<p>Costs of whole networks, each layer as often as it occurs: with the best design for each layer,
with the recommended ones, and with the best single design for all layers. Exact search answers for
layers with a dimension outside the trained range. The layers are those of the constraint with the
lowest performance; layers.csv has all.</p>
{sections}
<h2>Summary</h2>
{folded("Contents of summary.json", table(["key", "value"], _flat(summary).items()))}
{configuration(_flat(config))}""",
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
