"""Datasets, losses, training, evaluation, checkpoints and selective prediction."""

from airchitect_jax.learning.calibration import confidences, fit_temperature, reliability
from airchitect_jax.learning.checkpoints import Trained, load_trained
from airchitect_jax.learning.cycle_calibration import (
    CycleCalibration,
    calibrated_cycles,
    fit_calibration,
    gemmini_calibration,
    is_calibrated,
    read_calibration,
    stacked,
)
from airchitect_jax.learning.datasets import (
    Dataset,
    Split,
    StoredBatches,
    StreamedBatches,
    sample_dataset,
    split_of,
)
from airchitect_jax.learning.evaluation import (
    Evaluation,
    Ranker,
    Recommender,
    evaluate_choices,
    evaluate_recommender,
    first_argmax,
    label_statistics,
    num_parameters,
    performance_metrics,
)
from airchitect_jax.learning.losses import Loss, cross_entropy, loss_fn
from airchitect_jax.learning.real_networks import check_network
from airchitect_jax.learning.selective import answer, risk_coverage, threshold_for
from airchitect_jax.learning.training import (
    BLOCK_STEPS,
    FitResult,
    Optimizer,
    Row,
    RunConfig,
    TrainConfig,
    TrainState,
    fit,
    spread,
    train_block,
)

__all__ = [
    "BLOCK_STEPS",
    "CycleCalibration",
    "Dataset",
    "Evaluation",
    "FitResult",
    "Loss",
    "Optimizer",
    "Ranker",
    "Recommender",
    "Row",
    "RunConfig",
    "Split",
    "StoredBatches",
    "StreamedBatches",
    "TrainConfig",
    "TrainState",
    "Trained",
    "answer",
    "calibrated_cycles",
    "check_network",
    "confidences",
    "cross_entropy",
    "evaluate_choices",
    "evaluate_recommender",
    "first_argmax",
    "fit",
    "fit_calibration",
    "fit_temperature",
    "gemmini_calibration",
    "is_calibrated",
    "label_statistics",
    "load_trained",
    "loss_fn",
    "num_parameters",
    "performance_metrics",
    "read_calibration",
    "reliability",
    "risk_coverage",
    "sample_dataset",
    "split_of",
    "spread",
    "stacked",
    "threshold_for",
    "train_block",
]
