"""Recommendation networks: workloads in, logits over design ids out."""
