"""Analytic cost models of systolic arrays: scalar, pure equations, one workload at a time."""
