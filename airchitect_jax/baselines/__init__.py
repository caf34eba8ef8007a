"""Models that are compared with the paper's network, each trained within a budget of time."""
