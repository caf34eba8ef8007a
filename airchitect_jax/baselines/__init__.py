"""Models that are compared with the paper's network, each trained within a budget of time."""

from airchitect_jax.baselines.classifiers import Classifier
from airchitect_jax.baselines.competitor import Competitor, Task
from airchitect_jax.baselines.networks import NetworkCompetitor
from airchitect_jax.baselines.registry import competitors

__all__ = ["Classifier", "Competitor", "NetworkCompetitor", "Task", "competitors"]
