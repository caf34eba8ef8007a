"""Exact optima by exhaustive search: the labels that networks learn."""
