"""Where workloads come from: samplers, JAX functions, ONNX and SCALE-Sim files, known networks."""
