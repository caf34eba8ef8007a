"""A network that recommends one machine for a whole workload in one inference."""

from airchitect_jax.learning.whole_networks.costs import Designs
from airchitect_jax.learning.whole_networks.exact import all_cycles, within
from airchitect_jax.learning.whole_networks.inference import TOLERATED_REGRET, Answers
from airchitect_jax.learning.whole_networks.measures import (
    fit_threshold,
    milliseconds,
    quantiles,
    regrets,
    risks_and_regrets,
)
from airchitect_jax.learning.whole_networks.network import MachineNetwork
from airchitect_jax.learning.whole_networks.recommender import (
    CertifiedMachine,
    LearnedMachine,
    MachineRecommender,
    OutOfRangeError,
    from_arrays,
    gemms_of,
)
from airchitect_jax.learning.whole_networks.training import MachineTraining, train
from airchitect_jax.learning.whole_networks.walks import FAMILIES, Layers, members, packaged, seeds

__all__ = [
    "FAMILIES",
    "TOLERATED_REGRET",
    "Answers",
    "CertifiedMachine",
    "Designs",
    "Layers",
    "LearnedMachine",
    "MachineNetwork",
    "MachineRecommender",
    "MachineTraining",
    "OutOfRangeError",
    "all_cycles",
    "fit_threshold",
    "from_arrays",
    "gemms_of",
    "members",
    "milliseconds",
    "packaged",
    "quantiles",
    "regrets",
    "risks_and_regrets",
    "seeds",
    "train",
    "within",
]
