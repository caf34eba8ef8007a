"""Flags shared by the scripts that train several models for the same time each."""

from __future__ import annotations

from absl import flags

from airchitect_jax.baselines import Task
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.experiments import resume_flag

flags.adopt_module_key_flags(resume_flag)

BUDGET_SECONDS = flags.DEFINE_float(
    "budget_seconds",
    60.0,
    "Training time per model in seconds. It determines how many examples each model sees.",
    lower_bound=0.1,
    upper_bound=1e6,
)
NUM_TEST = flags.DEFINE_integer(
    "num_test", 100_000, "Unseen workloads to test on.", lower_bound=10, upper_bound=10_000_000
)
NUM_VALIDATION = flags.DEFINE_integer(
    "num_validation",
    5_000,
    "Workloads of the validation split.",
    lower_bound=10,
    upper_bound=1_000_000,
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "Examples per training step of every network; by default each network's own.",
    lower_bound=1,
    upper_bound=2**20,
)

ALL = (BUDGET_SECONDS, NUM_TEST, NUM_VALIDATION, BATCH_SIZE)


def task(case: CaseStudy, seed: int) -> Task:
    """The training task that the flags set."""
    return Task.sampled(
        case,
        seed=seed,
        budget_seconds=BUDGET_SECONDS.value,
        num_test=NUM_TEST.value,
        num_validation=NUM_VALIDATION.value,
    )
