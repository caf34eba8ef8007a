"""A whole run of a case study: data, training, evaluation, figures, report and summary."""

from __future__ import annotations

import itertools
import json
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import rich.console
import rich.markup
import rich.table
from flax import nnx

from airchitect_jax._support import check_fits, files
from airchitect_jax._support.progress import TrainingProgress
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import plots, report
from airchitect_jax.learning.datasets import (
    BatchSource,
    Dataset,
    Split,
    StoredBatches,
    dataset_bytes,
    load_dataset,
    sample_dataset,
    save_dataset,
    streamed,
)
from airchitect_jax.learning.evaluation import (
    Evaluation,
    Recommender,
    evaluate_heuristics,
    evaluate_recommender,
    label_statistics,
    labels_per_second,
    majority_class_accuracy,
    num_parameters,
)
from airchitect_jax.learning.losses import Loss, loss_fn
from airchitect_jax.learning.models.registry import make_model, recipe_of
from airchitect_jax.learning.real_networks import (
    NetworkResult,
    evaluate_networks,
    layers_csv,
    networks_csv,
)
from airchitect_jax.learning.training import (
    BLOCK_STEPS,
    FitResult,
    Optimizer,
    Row,
    RunConfig,
    TrainConfig,
    fit,
)
from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import Figure
from airchitect_jax.workloads import Network

# Makes a figure of the test set and of what the network chose.
ExtraFigure = Callable[[Dataset, Evaluation], Figure]


def check_memory(case: CaseStudy, config: RunConfig) -> None:
    """Refuses sizes that cannot fit, before anything is drawn.

    Raises:
      ValueError: a size needs more memory than there is; names it.
    """
    features, designs = case.features, case.space.num_designs
    stored = () if config.stream else ("num_train",)
    for name in ("num_test", "num_validation", *stored):
        num = getattr(config, name)
        check_fits(name, num, dataset_bytes(case, num))
    # The workloads of a block of steps with their labels; logits of a step and their gradients.
    example = BLOCK_STEPS * (len(features) + 1) + 2 * designs
    check_fits("batch_size", config.batch_size, 4 * example * config.batch_size)
    # Of each parameter its value, its gradient, and two moments.
    tables = config.embedding_dim * sum(feature.cardinality for feature in features)
    check_fits(
        "embedding_dim",
        config.embedding_dim,
        16 * tables,
        "lower it, or the ranges of the workloads",
    )
    widths = [config.embedding_dim * len(features), *config.hidden_sizes, designs]
    weights = sum(a * b for a, b in itertools.pairwise(widths))
    check_fits("hidden_sizes", list(config.hidden_sizes), 16 * weights)


def run(
    case: CaseStudy,
    config: RunConfig,
    workdir: pathlib.Path | None,
    networks: list[Network],
    *,
    settings: Mapping[str, Any],
    extra_figures: Mapping[str, tuple[str, ExtraFigure]],
    console: rich.console.Console,
) -> dict[str, Any]:
    """Runs a case study in a claimed workdir, resuming what is there; returns its summary.

    Args:
      case: the problem to learn.
      config: sizes and training.
      workdir: where results go; None in all but the first of several processes, which only train,
        and whose summary is empty.
      networks: real networks to recommend for.
      settings: the contents of config.json, for the report.
      extra_figures: caption and maker of figures that only this case study has, by file name.
      console: where progress and the closing table go.
    """
    start = time.perf_counter()
    console.print(f"{case.name}: {case.title}, {case.space.num_designs} designs", highlight=False)
    validation, test = (
        sample_dataset(case, seed=config.seed, num=num, split=split)
        for num, split in ((config.num_validation, Split.VALIDATION), (config.num_test, Split.TEST))
    )
    model = make_model(
        case,
        config.model,
        embedding_dim=config.embedding_dim,
        hidden_sizes=config.hidden_sizes,
        seed=config.seed,
    )
    fitted = _train(case, config, workdir, model, validation, console)
    if workdir is None:
        return {}
    console.print("evaluating", highlight=False)
    recommender = Recommender(case, fitted.model)
    evaluation = evaluate_recommender(case, recommender, test)
    heuristics = evaluate_heuristics(case, test)
    results = evaluate_networks(case, recommender, networks)
    summary: dict[str, Any] = {
        "case_study": case.name,
        "preset": config.preset,
        "seed": config.seed,
        "num_designs": case.space.num_designs,
        **case.settings,
        "num_test": config.num_test,
        "loss": config.loss,
        "model": config.model,
        "told": list(recipe_of(case, config.model).told(Loss(config.loss))),
        "num_parameters": num_parameters(fitted.model),
        **label_statistics(case, test),
        "num_train_examples_seen": fitted.history[-1]["examples"],
        **evaluation.metrics,
        "majority_class_accuracy": majority_class_accuracy(validation, test),
        "heuristics": {name: result.metrics for name, result in heuristics.items()},
        "networks": {group[0].network: _network_summary(group) for group in results},
        "labels_per_second": labels_per_second(case, seed=config.seed),
        "train_examples_per_second": _examples_per_second(fitted.history),
        "inference_per_second": recommender.per_second(test.workloads),
    }
    figures = _figures(case, fitted.history, evaluation, heuristics, results) | {
        name: (caption, make(test, evaluation)) for name, (caption, make) in extra_figures.items()
    }
    # Training time is that of all resumptions together, every other time that of this one.
    summary["wall_seconds"] = round(
        fitted.history[-1]["seconds"] + time.perf_counter() - start - fitted.seconds, 3
    )
    style.save_figures(workdir, {name: figure for name, (_, figure) in figures.items()})
    flat_results = [result for group in results for result in group]
    files.write_text(workdir / "networks.csv", networks_csv(flat_results))
    files.write_text(workdir / "layers.csv", layers_csv(flat_results))
    files.write_text(
        workdir / "report.html",
        report.page(
            f"{case.name}: {case.title}",
            question=report.question(case, summary),
            main=report.main_values(summary),
            claims=report.claims(summary),
            summary=summary,
            config=settings,
            drawn=style.to_svgs(figures),
            networks=results,
        ),
    )
    files.write_json(workdir / "summary.json", summary)
    _print_closing(summary, workdir, console)
    return summary


def _train(
    case: CaseStudy,
    config: RunConfig,
    workdir: pathlib.Path | None,
    model: nnx.Module,
    validation: Dataset,
    console: rich.console.Console,
) -> FitResult:
    def write_metrics(history: list[Row]) -> None:
        if workdir is None:
            return
        lines = "".join(json.dumps(row) + "\n" for row in history)
        files.write_text(workdir / "metrics.jsonl", lines)

    with TrainingProgress(console) as progress:

        def on_rows(history: list[Row], total_steps: int) -> None:
            progress(history, total_steps)
            if "validation_loss" in history[-1]:
                write_metrics(history)

        fitted = fit(
            model,
            _source(case, config, workdir, model),
            validation,
            TrainConfig(
                epochs=config.epochs,
                learning_rate=config.learning_rate,
                optimizer=Optimizer(config.optimizer),
            ),
            loss_fn(case, Loss(config.loss)),
            checkpoint_dir=workdir and (workdir / "checkpoints").absolute(),
            on_rows=on_rows,
        )
    write_metrics(fitted.history)  # a run may have been killed after its last checkpoint
    return fitted


def _source(
    case: CaseStudy, config: RunConfig, workdir: pathlib.Path | None, model: nnx.Module
) -> BatchSource:
    if config.stream:
        return streamed(
            case,
            model,
            batch_size=config.batch_size,
            steps_per_epoch=config.num_train // config.batch_size,
            seed=config.seed,
            small_share=config.small_share,
        )
    path = workdir and workdir / "data" / "train.npz"
    origin = {"case": repr(case), "seed": config.seed, "num": config.num_train}
    dataset = load_dataset(path, origin) if path else None
    if dataset is None:
        dataset = sample_dataset(case, seed=config.seed, num=config.num_train, split=Split.TRAIN)
        if path:
            save_dataset(path, dataset, origin)
    return StoredBatches(dataset=dataset, batch_size=config.batch_size, seed=config.seed)


def _figures(
    case: CaseStudy,
    history: list[Row],
    evaluation: Evaluation,
    heuristics: Mapping[str, Evaluation],
    results: list[list[NetworkResult]],
) -> dict[str, tuple[str, Figure]]:
    chosen, optimal = evaluation.chosen, evaluation.optimal
    others = {name: other.normalized_performance for name, other in heuristics.items()}
    figures = {
        "training_curves": ("Loss and accuracy in training.", plots.training_curves(history)),
        "design_histogram": (
            "How often each design is optimal, and how often the network chooses it.",
            plots.design_histogram(optimal, chosen, case.space.num_designs),
        ),
        "cost_above_optimum": (
            f"How far the {case.objective.value} of the choices for the test set lie above the"
            " optimum, the worst workloads at the left.",
            plots.cost_above_optimum(evaluation.normalized_performance, others, evaluation.metrics),
        ),
        "confusion": (
            "Chosen against optimal, by attributes of the designs: of the workloads with the same"
            " optimum, the share of each choice.",
            plots.confusion(case.space.attributes, optimal, chosen),
        ),
    }
    if results:
        figures["networks"] = (
            "Real networks: one design per layer as recommended, and one design for all layers,"
            " both against the best design per layer. A line reaches from the constraint with the"
            " least cost above it to that with the most, a marker is the median.",
            plots.networks([result for group in results for result in group]),
        )
    return figures


def _network_summary(group: list[NetworkResult]) -> dict[str, Any]:
    """The worst context of a network, and how many of its layers were out of range."""
    worst = min(group, key=lambda result: result.normalized_performance)
    return {
        "min_normalized_performance": worst.normalized_performance,
        "min_at": worst.context,
        "layers": len(worst.layers),
        "layers_out_of_range": worst.num_out_of_range,
    }


def _examples_per_second(history: list[Row]) -> float:
    """Median over the blocks of steps, which leaves out compilation and validation."""
    rates = [
        (after["examples"] - before["examples"]) / (after["seconds"] - before["seconds"])
        for before, after in itertools.pairwise(history)
        if after["seconds"] > before["seconds"] and "validation_loss" not in after
    ]
    if not rates:
        return float(history[-1]["examples"] / max(history[-1]["seconds"], 1e-3))
    return statistics.median(rates)


def _print_closing(
    summary: Mapping[str, Any], workdir: pathlib.Path, console: rich.console.Console
) -> None:
    console.print(f"report: {workdir / 'report.html'}", highlight=False, markup=False)
    if summary["networks"]:
        header = "real network", "layers", "out of range", "lowest performance", "at"
        table = rich.table.Table(*header)
        for name, row in summary["networks"].items():
            table.add_row(
                rich.markup.escape(name),
                str(row["layers"]),
                str(row["layers_out_of_range"]),
                f"{row['min_normalized_performance']:.2%}",
                row["min_at"],
            )
        console.print(table)
    table = rich.table.Table(summary["case_study"], "this run", "paper")
    for row in report.claims(summary):
        table.add_row(*row)
    console.print(table)
