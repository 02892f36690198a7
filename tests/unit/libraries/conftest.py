"""The library of these tests, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.libraries.support import build_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("library"))
