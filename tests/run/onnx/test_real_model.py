"""A whole published model: the Silero voice detector, if its package is installed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.run.onnx.harness import check, floats

PACKAGE, FILE = "silero-vad", "silero_vad_16k_sequence.onnx"


def model_path() -> Path:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"the package {PACKAGE}, which holds {FILE}, is not installed")
    found = [Path(str(f.locate())) for f in files if f.name == FILE]
    if not found:
        pytest.skip(f"the installed {PACKAGE} does not hold {FILE}")
    return found[0]


def test_voice_detector_of_a_free_sequence_length() -> None:
    model = onnx.load(str(model_path()))
    state = np.zeros((1, 1, 128), np.float32)
    inputs = {v.name: state for v in model.graph.input if v.name in ("h", "c")}
    check(model, {"input": floats(3, 576), **inputs})
