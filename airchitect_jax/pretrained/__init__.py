"""Trained networks in the package: released from finished runs, loaded by name."""

from airchitect_jax.pretrained.answers import Prediction, WorkloadPredictor
from airchitect_jax.pretrained.kinds import Kind, Precision, Predictor
from airchitect_jax.pretrained.networks import CaseStudyPredictor
from airchitect_jax.pretrained.packaged import load_pretrained, pretrained_names, release
from airchitect_jax.pretrained.simulator import SimulatorPredictor
from airchitect_jax.pretrained.whole_networks import MachinePrediction, MachinePredictor

__all__ = [
    "CaseStudyPredictor",
    "Kind",
    "MachinePrediction",
    "MachinePredictor",
    "Precision",
    "Prediction",
    "Predictor",
    "SimulatorPredictor",
    "WorkloadPredictor",
    "load_pretrained",
    "pretrained_names",
    "release",
]
