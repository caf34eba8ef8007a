"""Learning to size buffers where the scalesim package judges: costs of replays, not labels."""

from airchitect_jax.learning.replayed.labels import Replays, collect, exact_delays, replayed_case
from airchitect_jax.learning.replayed.network import best_sizing, delays, initial
from airchitect_jax.learning.replayed.sizer import Sizer
from airchitect_jax.learning.replayed.training import Trained, TrainingConfig, train

__all__ = [
    "Replays",
    "Sizer",
    "Trained",
    "TrainingConfig",
    "best_sizing",
    "collect",
    "delays",
    "exact_delays",
    "initial",
    "replayed_case",
    "train",
]
