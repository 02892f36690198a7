"""StableHLO's test data with uniform quantized types: the files' values are checked to a tolerance only they know, so a
case passes when it compiles for this machine."""

from __future__ import annotations

from tests.conformance.suites.stablehlo import texts
from tests.conformance.suites.stablehlo_dynamic import run

__all__ = ["FLOOR", "SOURCE", "TITLE", "names", "run"]

TITLE = "StableHLO test data, quantized types (compiled only)"
SOURCE = "openxla/stablehlo, stablehlo/testdata/quantized"
FLOOR = 0.0
FOLDER = "quantized/"


def names() -> list[str]:
    return [name for name in texts() if name.startswith(FOLDER)]
