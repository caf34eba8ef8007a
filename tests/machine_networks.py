"""A small recommender of machines that is not trained, for tests."""

import jax
import numpy as np

from airchitect_jax.learning.whole_networks import Designs, MachineNetwork, MachineRecommender

DESIGNS = Designs()


def untrained(threshold):
    """Random weights show what the structure alone does."""
    rng = np.random.default_rng(0)
    network = MachineNetwork(
        DESIGNS,
        hidden=8,
        memory_hidden=8,
        samples=rng.integers(1, 5000, (64, 3)),
        key=jax.random.key(0),
    )
    return MachineRecommender(network=network, designs=DESIGNS, threshold=threshold)
