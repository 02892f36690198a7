"""One interpreter and one compile cache for all runs: starting Triton costs half a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter


@pytest.fixture(scope="session")
def interpreter() -> Iterator[CheckedInterpreter]:
    made = CheckedInterpreter()
    yield made
    made.close()


@pytest.fixture(scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpu-cache")
