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
NAMES = {**dict.fromkeys(KERNELS, "kernels"), **dict.fromkeys(MODELS, "models")}
