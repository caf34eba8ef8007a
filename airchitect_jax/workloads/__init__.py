"""Where workloads come from: seeded samplers, SCALE-Sim topologies, packaged networks."""
