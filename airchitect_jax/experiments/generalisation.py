"""Trains networks on part of the ranges and tests them on the rest.

Test sets: the trained ranges; dimensions up to --max_dim and several times as far; small dimensions
(log-uniform); budgets beyond the trained ones; the packaged networks, and the same with m = 1, a
decoding step of one token. An embedding has no row for a value outside the trained range: the
network sees the nearest value in range. The temperature and the threshold for selective prediction
are chosen on the validation split of the trained ranges. Writes generalisation.md and .json,
sets.csv, regions.csv and figures. With --resume, trained networks are not trained again.

  airchitect generalisation --case_study=1 --workdir=runs/generalisation1
  airchitect generalisation --case_study=3 --models=symmetric --budget_seconds=300
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import rich.console
import rich.table
from absl import flags

from airchitect_jax.baselines import NetworkCompetitor
from airchitect_jax.baselines.registry import networks
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.experiments import case_flags, comparison_flags, gemm_flags, resume_flag, runner
from airchitect_jax.experiments.comparison_files import row_at
from airchitect_jax.studies.generalisation import (
    TestSet,
    network_sets,
    one_token,
    report,
    sampled_sets,
)
from airchitect_jax.studies.generalisation.audit import audit
from airchitect_jax.workloads import Distribution, load_network, network_names

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(case_flags)
flags.adopt_module_key_flags(comparison_flags)
flags.set_default(runner.WORKDIR, "runs/generalisation")

MODELS = flags.DEFINE_list(
    "models", ["mlp2x256", "paper"], "Names of networks, separated by commas."
)
TRAINED_MAX_DIM = flags.DEFINE_integer(
    "trained_max_dim", 2_000, "Largest m, n and k in training.", lower_bound=8
)
MAX_RISK = flags.DEFINE_float(
    "max_risk",
    0.01,
    "Share of the answers that may cost more than the optimum; sets the threshold of selective"
    " prediction.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_OWN = (MODELS, TRAINED_MAX_DIM, MAX_RISK)
_BUDGETS, _SMALL = "other budgets", "log-uniform"


def cases() -> tuple[CaseStudy, CaseStudy, dict[str, CaseStudy]]:
    """The case study of training, the full one, and those to draw test workloads from.

    Raises:
      ValueError: training would leave nothing out.
    """
    if TRAINED_MAX_DIM.value >= gemm_flags.MAX_DIM.value:
        raise ValueError(
            f"--trained_max_dim: {TRAINED_MAX_DIM.value} is not allowed; expected less than"
            f" --max_dim={gemm_flags.MAX_DIM.value}"
        )
    kind = type(case_flags.make_case())
    budgets = kind.trained_budgets

    case = case_flags.make_case
    near, far = TRAINED_MAX_DIM.value, gemm_flags.MAX_DIM.value
    farther = min(kind.farthest * far, gemm_flags.LARGEST_DIM)
    others = {
        f"dimensions to {far}": case(**budgets),
        f"dimensions to {farther}": case(max_dim=farther, **budgets),
        _SMALL: case(distribution=Distribution.LOG_UNIFORM, **budgets),
    }
    if budgets:
        others[_BUDGETS] = case(max_dim=near)
    return case(max_dim=near, **budgets), case(), others


def test_sets(
    trained: CaseStudy, asked: CaseStudy, others: Mapping[str, CaseStudy]
) -> list[TestSet]:
    """All test sets of the flags."""
    sampled = sampled_sets(
        trained, others, seed=runner.SEED.value, num=comparison_flags.NUM_TEST.value
    )
    found = [load_network(name) for name in network_names()]
    return [
        *sampled,
        *network_sets(asked, found, "real networks"),
        *network_sets(asked, [one_token(network) for network in found], "networks, m = 1"),
    ]


def train_and_audit(
    model: NetworkCompetitor, trained: CaseStudy, asked: CaseStudy, sets: Sequence[TestSet]
) -> dict[str, Any]:
    """Trains one network and audits it."""
    task = comparison_flags.task(trained, runner.SEED.value)
    result = model.train(task)
    return {
        "examples": result.history[-1]["examples"],
        "train_seconds": round(result.seconds, 3),
        "told": list(model.told),
        "beyond_the_ranges": "as it is" if model.any_value else "clamped to the nearest value",
        **audit(
            trained,
            asked,
            result.model,
            task.validation,
            sets,
            any_value=model.any_value,
            max_risk=MAX_RISK.value,
            region_group=_SMALL,
        ),
    }


def show(audits: Mapping[str, Mapping[str, Any]], console: rich.console.Console) -> None:
    """A few columns of the sampled test sets for each network."""
    for model, audited in audits.items():
        found = rich.table.Table("test set", "optimal", "geomean", "answered", "wrong of these")
        for row in audited["sets"]:
            if "networks" in row["group"]:
                continue
            risk = row["by_confidence_risk"]
            found.add_row(
                f"{row['group']}: {row['name']}",
                f"{row['optimal_set_accuracy']:.2%}",
                f"{row['geomean_normalized_performance']:.2%}",
                f"{row['by_confidence_coverage']:.1%}",
                "" if risk is None else f"{risk:.2%}",
            )
        runner.say(console, f"{model}:")
        console.print(found)


def main(console: rich.console.Console) -> None:
    """Audits the networks of the flags and writes tables and figures."""
    trained, asked, others = cases()
    batch_size = comparison_flags.BATCH_SIZE.value
    available = {network.name: network for network in networks(trained, batch_size)}
    names = [name.strip() for name in MODELS.value]
    for name in names:
        if name not in available:
            raise ValueError(
                f"--models: {name!r} is not allowed; expected some of {', '.join(available)}"
            )
    settings = runner.values(
        *case_flags.ALL, *comparison_flags.ALL, *gemm_flags.ALL, *_OWN, runner.SEED, runner.WORKDIR
    )
    resume = resume_flag.RESUME.value
    with runner.claim("generalisation", settings, resume=resume, free={MODELS.name}) as folder:
        sets = functools.cache(lambda: test_sets(trained, asked, others))

        def audited(name: str) -> dict[str, Any]:
            runner.say(console, f"training {name}")
            return train_and_audit(available[name], trained, asked, sets())

        audits = {
            name: row_at(folder / "rows" / f"{name}.json", functools.partial(audited, name))
            for name in names
        }
        report.write(folder, audits, trained, settings)
        show(audits, console)
        runner.say(console, f"{folder}: report.html, generalisation.md, .json, *.csv, figures")


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last finished model")
