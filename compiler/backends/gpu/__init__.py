"""NVIDIA GPUs: kernels as Triton source, compiled ahead of time, launched on the CUDA driver."""
