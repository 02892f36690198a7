"""The ONNX front end. `load_onnx` is the door."""

from __future__ import annotations

from stratagem.compiler.frontends.onnx.load import load_onnx

__all__ = ["load_onnx"]
