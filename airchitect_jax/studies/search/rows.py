"""Comparison of searchers: the quality of their answers over evaluations and time.

Every answer is checked by the exact model of the subject and has to be feasible.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from airchitect_jax import search
from airchitect_jax._support import check_fits, csv_text
from airchitect_jax.baselines import Task
from airchitect_jax.baselines.registry import networks
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import performance_metrics
from airchitect_jax.reporting import Column, Row, Spread, SpreadTable, by_name

_NUM_VALIDATION = 5_000  # workloads that the network's training curve is measured on

COLUMNS = (
    Column(key="workloads", heading="workloads"),
    Column(key="geomean_normalized_performance", heading="geomean", is_share=True),
    Column(key="p01_normalized_performance", heading="1st percentile", is_share=True),
    Column(key="min_normalized_performance", heading="lowest", is_share=True),
    Column(key="share_within_one_percent", heading="within 1%", is_share=True),
    Column(key="optimal_set_accuracy", heading="solved exactly", is_share=True),
    Column(key="evaluations", heading="evaluations"),
    Column(key="gradients", heading="gradients"),
    Column(key="milliseconds", heading="milliseconds per search"),
    Column(key="searches_per_second", heading="searches per second"),
    Column(key="train_seconds", heading="training seconds"),
)
# What a point of a curve has beside `spent`.
CURVE_KEYS = (
    "geomean_normalized_performance",
    "p01_normalized_performance",
    "share_within_one_percent",
    "optimal_set_accuracy",
    "milliseconds",
)


def train_network(case: CaseStudy, *, seed: int, seconds: float) -> search.TrainedNetwork:
    """The best network of a case study, or the paper's, trained for about so many seconds."""
    name = case.best_network or "paper"
    competitor = next(network for network in networks(case) if network.name == name)
    num = _NUM_VALIDATION
    task = Task.sampled(case, seed=seed, budget_seconds=seconds, num_test=num, num_validation=num)
    trained = competitor.train(task)
    graphdef, state = nnx.split(trained.model)

    def logits(workload: Int[Array, "features"]) -> Float[Array, "designs"]:
        return nnx.merge(graphdef, state)(workload.astype(jnp.int32)[:, None])[0]

    return search.TrainedNetwork(name=competitor.name, logits=logits, train_seconds=trained.seconds)


def checkpoints(limit: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... below the limit, and the limit itself."""
    grid = sorted(
        {size for power in range(limit.bit_length()) for size in (2**power, 3 * 2**power)}
    )
    return [size for size in grid if size < limit] + [limit]


def measurer(
    name: str,
    entry: search.Entry,
    subject: search.Subject,
    tools: search.Tools,
    *,
    evaluations: int,
    python_workloads: int,
) -> Callable[[int], Row]:
    """Compiles a searcher; the function that it returns measures one row per seed.

    A search may take `evaluations`, gradients included; a searcher in Python gets only
    `python_workloads` of the subject's workloads.
    """
    searcher = entry.make(subject, tools)
    if not searcher.traceable:
        subject = subject.first(python_workloads)
    if subject.forget and searcher.traceable:
        run = search.prepare_steps(searcher, subject.workloads, budget=evaluations)
    elif entry.num_steps:
        run = search.prepare(searcher, subject.workloads, num_steps=entry.num_steps(subject))
    else:
        num_steps = search.steps_within(searcher, subject.workloads, evaluations)
        # A cost and two counts are kept of each step.
        check_fits("evaluations", evaluations, 16 * num_steps * len(subject))
        run = search.prepare(searcher, subject.workloads, num_steps=num_steps, budget=evaluations)
    trained: Row = {}
    if entry.needs_network and tools.network:
        trained = {"network": tools.network.name, "train_seconds": tools.network.train_seconds}

    def measure(seed: int) -> Row:
        if subject.forget:
            subject.forget()
        searches = run(jax.random.key(seed))
        figures = measured(searches, subject, evaluations)
        return {"searcher": name, "seed": seed, **figures, **trained}

    return measure


def measured(searches: search.Searches, subject: search.Subject, evaluations: int) -> Row:
    """The measurements of one run over the workloads.

    Raises:
      ValueError: an answer is infeasible, or does not cost what its searcher says.
    """
    answers = subject.exact_costs(subject.workloads, searches.points)
    wrong = searches.costs[:, -1] != answers
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"workload {row}: a searcher reports a cost of {searches.costs[row, -1]:.0f}, but its"
            f" answer {searches.points[row].tolist()} costs {answers[row]}"
        )
    number, num_steps = searches.costs.shape
    spent = searches.evaluations + searches.gradients
    milliseconds = 1000 * searches.seconds / number
    curve = []
    for limit in checkpoints(max(evaluations, int(spent.max()))):
        steps = (spent <= limit).sum(axis=1)
        costs = searches.costs[np.arange(number), steps - 1]
        if steps.min() > 0 and np.isfinite(costs).all():
            curve.append(
                {
                    "spent": limit,
                    "milliseconds": milliseconds * float(steps.mean()) / num_steps,
                    **_quality(subject.optimal_costs, costs),
                }
            )
    return {
        "workloads": number,
        **_quality(subject.optimal_costs, answers),
        "evaluations": float(searches.evaluations[:, -1].mean()),
        "gradients": float(searches.gradients[:, -1].mean()),
        "milliseconds": milliseconds,
        "searches_per_second": number / searches.seconds,
        "curve": curve,
    }


def _quality(
    optimal: Int[np.ndarray, "num"], costs: Float[np.ndarray, "num"] | Int[np.ndarray, "num"]
) -> dict[str, float]:
    return {
        **performance_metrics(optimal / costs),
        "share_within_one_percent": float(np.mean(costs <= 1.01 * optimal)),
        "optimal_set_accuracy": float(np.mean(costs == optimal)),
    }


def table(rows: Iterable[Row]) -> SpreadTable:
    """One line per searcher, in the order in which they first occur."""
    return SpreadTable.of(rows, "searcher", COLUMNS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """The progress of a searcher, at each checkpoint that all of its seeds have.

    Attributes:
      searcher: its name.
      spent: evaluations and gradients, at most.
      spreads: for each key of `CURVE_KEYS`, one over the seeds for each of `spent`.
    """

    searcher: str
    spent: tuple[int, ...]
    spreads: Mapping[str, tuple[Spread, ...]]


def curves(rows: Iterable[Row]) -> list[Curve]:
    """One per searcher, in the order of the table."""
    found = []
    for name, group in by_name(rows, "searcher").items():
        points = [{point["spent"]: point for point in row["curve"]} for row in group]
        spent = sorted(set.intersection(*map(set, points)))
        found.append(
            Curve(
                searcher=name,
                spent=tuple(spent),
                spreads={
                    key: tuple(
                        Spread.of([point[limit][key] for point in points]) for limit in spent
                    )
                    for key in CURVE_KEYS
                },
            )
        )
    return found


def curves_csv(found: Iterable[Curve]) -> str:
    """One row per searcher and checkpoint; standard deviations are empty for a single seed."""
    header = ["searcher", "spent"]
    for key in CURVE_KEYS:
        header += [f"{key}_mean", f"{key}_std"]
    body: list[list[object]] = []
    for curve in found:
        for index, spent in enumerate(curve.spent):
            spreads = [curve.spreads[key][index] for key in CURVE_KEYS]
            cells = [cell for spread in spreads for cell in spread.cells()]
            body.append([curve.searcher, spent, *cells])
    return csv_text([header, *body])
