"""Settings of every test run, made before numpy is loaded."""

from __future__ import annotations

import os

# Matrices in tests are small, and test runs share their machine: OpenBLAS's waiting threads cost more than they give.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
