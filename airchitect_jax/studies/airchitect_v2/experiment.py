"""A whole run on a file of the data set: networks, baselines, figures, summary."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.box
import rich.console
import rich.table
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax._support import files, map_chunks
from airchitect_jax._support.progress import TrainingProgress
from airchitect_jax.learning import (
    FitResult,
    Row,
    Split,
    StoredBatches,
    TrainConfig,
    cross_entropy,
    fit,
    num_parameters,
    plots,
)
from airchitect_jax.reporting import document, facts, figures, style, table, tiles
from airchitect_jax.spaces import Attribute
from airchitect_jax.studies.airchitect_v2 import forest
from airchitect_jax.studies.airchitect_v2.inputs import SPLIT_SEED, Encoded, derived, encode
from airchitect_jax.studies.airchitect_v2.network import CrossedAirchitect
from airchitect_jax.studies.airchitect_v2.scores import (
    majority_class,
    most_pes,
    nearest_constant,
    optimal_set,
    scores,
)
from airchitect_jax.studies.airchitect_v2.table import NUM_BUFFERS, NUM_PES, Table

_MEAN = "networks, mean"
_BATCH = 8192  # layers that a network answers at a time
COLUMNS = {
    "accuracy": "exact",
    "pe_accuracy": "PE exact",
    "buffer_accuracy": "buffer exact",
    "pe_near_accuracy": "PE within 5",
    "optimal_set_accuracy": "a best one",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes and training.

    Attributes:
      seed: of the first network, and of the forests; the next network has the next seed.
      num_networks: how many are trained, each scored, and all together.
      epochs, batch_size, learning_rate, embedding_dim, hidden_size: of each.
      forest_trees: of each random forest; 0 leaves them out.
    """

    seed: int
    num_networks: int
    epochs: int
    batch_size: int
    learning_rate: float
    embedding_dim: int
    hidden_size: int
    forest_trees: int


# Scores of answers for the test layers.
_Judge = Callable[[Int[np.ndarray, "num"]], dict[str, float]]


def run(
    table: Table, settings: Settings, workdir: pathlib.Path, console: rich.console.Console
) -> dict[str, Any]:
    """Trains and judges, writes into a claimed workdir, and returns the summary.

    Raises:
      ValueError: too few layers for a batch, or for a split.
    """
    start = time.perf_counter()
    encoded = encode(table)
    sizes = {split: len(dataset) for split, dataset in encoded.splits.items()}
    if sizes[Split.TRAIN] < settings.batch_size or not all(sizes.values()):
        raise ValueError(
            f"--data: {len(table)} layers are too few for batches of {settings.batch_size}"
            " (--batch_size) and splits of 90%, 5% and 5%"
        )
    rows, known = encoded.rows[Split.TEST], table.design_ids[_not_test(encoded)]
    labels = table.design_ids[rows]
    best = None
    if table.is_conv:
        best = optimal_set({name: values[rows] for name, values in table.columns.items()})
    judge = functools.partial(scores, labels, best=best)
    lines = {
        "majority class": judge(np.full_like(labels, majority_class(known))),
        "nearest PE": judge(np.full_like(labels, nearest_constant(known))),
        **_forests(table, encoded, judge, settings),
    }

    histories: list[Row] = []
    probabilities: Float[np.ndarray, "num designs"] | float = 0.0
    networks = []
    for seed in range(settings.seed, settings.seed + settings.num_networks):
        fitted = _train(encoded, settings, seed, console)
        histories += [{"seed": seed, **row} for row in fitted.history]
        answers = _probabilities(fitted.model, encoded.splits[Split.TEST].workloads)
        probabilities = probabilities + answers
        checked = fitted.history[-1]
        networks.append(
            {
                "seed": seed,
                **judge(answers.argmax(axis=1)),
                "validation_accuracy": checked["validation_accuracy"],
                "seconds": round(fitted.seconds, 3),
            }
        )
    chosen = np.asarray(probabilities).argmax(axis=1)
    lines[_MEAN] = {
        name: float(np.mean([network[name] for network in networks]))
        for name in (*COLUMNS, "seconds")
        if name in networks[0]
    }
    if len(networks) > 1:
        lines["networks together"] = judge(chosen) | {
            "seconds": sum(network["seconds"] for network in networks)
        }
    if best is not None:
        lines["closed form"] = judge(most_pes(best))

    exact = [network["accuracy"] for network in networks]
    summary: dict[str, Any] = {
        "kind": "conv" if table.is_conv else "gemm",
        "num_layers": len(table),
        "num_rejected": table.num_rejected,
        "split_seed": SPLIT_SEED,
        **{f"num_{split.name.lower()}": size for split, size in sizes.items()},
        **dataclasses.asdict(settings),
        "num_parameters": num_parameters(fitted.model),
        "networks": networks,
        "accuracy_min": min(exact),
        "accuracy_max": max(exact),
        "answers": lines,
    }
    if best is not None:
        summary["labels_best_in_closed_form"] = judge(labels)["optimal_set_accuracy"]
    text = "".join(json.dumps(row) + "\n" for row in histories)
    files.write_text(workdir / "metrics.jsonl", text)
    drawn = {
        "confusion": (
            "Chosen PE and buffer indices against those of the label, of the networks together: of"
            " the layers with the same label, the share of each choice.",
            plots.confusion(_attributes(), labels, chosen),
        ),
        "training_curves": (
            "Loss and accuracy in training, of the last network.",
            plots.training_curves(fitted.history),
        ),
    }
    style.save_figures(workdir, {name: figure for name, (_, figure) in drawn.items()})
    files.write_text(workdir / "report.html", page(summary, style.to_svgs(drawn)))
    summary["wall_seconds"] = round(time.perf_counter() - start, 3)
    files.write_json(workdir / "summary.json", summary)
    console.print(closing_table(summary))
    return summary


def _forests(
    table: Table, encoded: Encoded, judge: _Judge, settings: Settings
) -> dict[str, dict[str, float]]:
    if not settings.forest_trees:
        return {}
    lines = {}
    raw = list(table.columns.values())
    known, test = _not_test(encoded), encoded.rows[Split.TEST]
    for name, columns, all_columns in (
        ("forest", raw, False),
        ("forest, derived too", [*raw, *derived(table).values()], False),
        ("forest, all a split", raw, True),
    ):
        start = time.perf_counter()
        chosen = forest.predict(
            [values[known] for values in columns],
            table.design_ids[known],
            [values[test] for values in columns],
            num_trees=settings.forest_trees,
            all_columns=all_columns,
            seed=settings.seed,
        )
        lines[name] = judge(chosen) | {"seconds": round(time.perf_counter() - start, 3)}
    return lines


def _not_test(encoded: Encoded) -> Int[np.ndarray, "num"]:
    """Training and validation rows: models without tuning learn from both."""
    return np.concatenate([encoded.rows[Split.TRAIN], encoded.rows[Split.VALIDATION]])


def _label_loss(network: Any, workloads: Array, design_ids: Array) -> tuple[Array, Array]:
    return cross_entropy(network(workloads), design_ids)


def _train(
    encoded: Encoded, settings: Settings, seed: int, console: rich.console.Console
) -> FitResult:
    model = CrossedAirchitect(
        encoded.features,
        encoded.crosses,
        NUM_PES,
        NUM_BUFFERS,
        embedding_dim=settings.embedding_dim,
        hidden_size=settings.hidden_size,
        rngs=nnx.Rngs(seed),
    )
    with TrainingProgress(console) as progress:
        return fit(
            model,
            StoredBatches(
                dataset=encoded.splits[Split.TRAIN], batch_size=settings.batch_size, seed=seed
            ),
            encoded.splits[Split.VALIDATION],
            TrainConfig(epochs=settings.epochs, learning_rate=settings.learning_rate),
            _label_loss,
            on_rows=progress,
        )


def _probabilities(
    model: nnx.Module, workloads: Int[np.ndarray, "features num"]
) -> Float[np.ndarray, "num designs"]:
    graphdef, state = nnx.split(model)
    answer = jax.jit(
        lambda state, columns: jax.nn.softmax(nnx.merge(graphdef, state)(jnp.stack(columns)))
    )
    # Code 1 pads, which not every column has; a lookup beyond a table's end is of no consequence.
    return map_chunks(lambda columns: answer(state, columns), list(workloads), chunk=_BATCH)


def _attributes() -> tuple[Attribute, ...]:
    pes, buffers = np.divmod(np.arange(NUM_PES * NUM_BUFFERS), NUM_BUFFERS)
    return (
        Attribute(name="PE index", categories=tuple(map(str, range(NUM_PES))), of_design=pes),
        Attribute(
            name="buffer index", categories=tuple(map(str, range(NUM_BUFFERS))), of_design=buffers
        ),
    )


def page(summary: Mapping[str, Any], drawn: Mapping[str, tuple[str, str]]) -> str:
    """The report as HTML; `drawn` has captions and SVGs by name."""
    question = [
        ("decision", "the number of PEs and the buffer of a layer, as a search found them"),
        ("layers", f"{summary['num_layers']:,}, {summary['kind']}"),
        ("test layers", f"{summary['num_test']:,}, that nothing is trained on"),
        ("networks", summary["num_networks"]),
    ]
    values = [
        ("exact answers, mean of the networks", f"{summary['answers'][_MEAN]['accuracy']:.2%}"),
        ("exact answers, lowest", f"{summary['accuracy_min']:.2%}"),
        ("exact answers, highest", f"{summary['accuracy_max']:.2%}"),
    ]
    header, rows = _answers(summary)
    return document(
        "The AIrchitect v2 data set",
        f"""{facts("Question", question)}
{tiles("How good the networks are", values)}
<h2>All answers</h2>
{table(header, rows, "Answers on the test layers")}
<h2>Figures</h2>
{figures(drawn)}""",
    )


def _answers(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings, and one row per model of a summary."""
    names = {name: title for name, title in COLUMNS.items() if name in summary["networks"][0]}
    rows = [
        [
            answerer,
            *(f"{row[name]:.2%}" for name in names),
            f"{row['seconds']:.1f}" if "seconds" in row else "",
        ]
        for answerer, row in summary["answers"].items()
    ]
    return ["answer", *names.values(), "seconds"], rows


def closing_table(summary: Mapping[str, Any]) -> rich.table.Table:
    """One row per model of a summary."""
    (first, *titles), rows = _answers(summary)
    shown = rich.table.Table(
        title=f"{summary['kind']}, {summary['num_test']} test layers",
        title_justify="left",
        box=rich.box.SIMPLE,  # fits 80 columns
        pad_edge=False,
    )
    shown.add_column(first, no_wrap=True)
    for title in titles:
        shown.add_column(title, justify="right", min_width=7)
    for row in rows:
        shown.add_row(*row)
    return shown
