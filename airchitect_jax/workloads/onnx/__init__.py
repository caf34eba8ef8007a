"""ONNX models as GEMMs and operators."""

from airchitect_jax.workloads.onnx.reader import parse_onnx, read_onnx

__all__ = ["parse_onnx", "read_onnx"]
