"""Device-form kernels as Triton source."""
