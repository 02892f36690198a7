"""Settings of every test run, made before numpy is loaded."""

from __future__ import annotations

import os

# Matrices in tests are small, and test runs share their machine: OpenBLAS's waiting threads cost more than they give.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A test that compiles a model file means the compiler as it is now, with whatever the test did to it.
os.environ.setdefault("STRATAGEM_REUSE", "off")
