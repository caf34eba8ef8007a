"""Labelling sets of workloads of any size: files in, shards of exact labels out."""
