"""Names of the benchmark's rows and their kinds, without importing what makes them."""

from __future__ import annotations

KERNELS = ("gemm", "gemm-odd", "linear", "gemv", "mlp", "softmax", "layernorm", "conv", "depthwise", "attention")
MODELS = (
    "resnet18",
    "resnet50",
    "mobilenetv2",
    "bert",
    "gpt2-prefill",
    "gpt2-decode",
    "vit",
    "dlrm",
    "llama-decode",
)
MEMORY = ("gemv-memory", "softmax-memory", "layernorm-memory")
"""Operators on more than a cache holds, to be seen beside the bandwidth of main memory; no part of the means."""
KINDS = {"kernels": KERNELS, "models": MODELS, "memory": MEMORY}
NAMES = {name: kind for kind, names in KINDS.items() for name in names}
