"""Tiles by measurement: the database, the search, and what a later compile makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.api.compiling import compile
from stratagem.compiler import knobs
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.chosen import take_choice
from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.tiles import Choice
from stratagem.compiler.tuning.database import Database, Subject
from stratagem.compiler.tuning.search import refuse_foreign
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import PassError, ResourceError, UsageError

SUBJECT = Subject("kernel", "device", 0)
OWN, OTHER = Choice({0: 8, 1: 16}), Choice({0: 4, 1: 16}, ((2, 32),))
MATMUL = """module attributes {stratagem.level = "tensor"} {
func.func @main(%a: tensor<67x129xf32> {model.input = "a"}, %b: tensor<129x131xf32> {model.input = "b"})
    -> (tensor<67x131xf32> {model.output = "y"}) {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<67x131xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<67x131xf32>) -> tensor<67x131xf32>
  %r = linalg.matmul ins(%a, %b : tensor<67x129xf32>, tensor<129x131xf32>) outs(%f : tensor<67x131xf32>)
      -> tensor<67x131xf32>
  return %r : tensor<67x131xf32>
}
}"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with knobs.scope(cache=str(tmp_path)):
        yield Database.default()


def compiled(tune: int = 0) -> Any:
    return compile(Program(parse_module(MATMUL)), tune=tune)


def test_the_best_choice_is_one_that_is_clearly_better(database: Database) -> None:
    assert database.best(SUBJECT) is None and database.stamp() == ""
    database.record(SUBJECT, OTHER, 0.99, 1e-3)
    assert database.best(SUBJECT) is None
    before = database.stamp()
    database.record(SUBJECT, OTHER, 0.5, 1e-3)
    assert database.best(SUBJECT) == OTHER and database.stamp() != before
    assert database.measured(SUBJECT) == [(OTHER, 0.5)]


@pytest.mark.parametrize("change", [{"kernel": "k"}, {"device": "d"}, {"threads": 1}])
def test_measurements_belong_to_one_kernel_device_and_number_of_threads(
    database: Database, change: dict[str, Any]
) -> None:
    database.record(SUBJECT, OTHER, 0.5, 1e-3)
    assert database.best(replace(SUBJECT, **change)) is None


def test_a_damaged_file_is_named(database: Database) -> None:
    assert database.path is not None
    database.path.write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(ResourceError, match=r"tuning\.sqlite: file is not a database"):
        database.best(SUBJECT)


def test_nothing_is_kept_without_a_cache() -> None:
    with knobs.scope(cache="off"), pytest.raises(UsageError, match="STRATAGEM_CACHE is off"):
        Database.default().record(SUBJECT, OTHER, 0.5, 1e-3)


def test_a_search_measures_and_goes_on_where_it_was(database: Database) -> None:
    compiled(tune=120)
    assert database.path is not None
    first = database.stamp()
    started = time.monotonic()
    compiled(tune=120)
    assert database.stamp() == first, "everything was measured already"
    assert time.monotonic() - started < 120


def test_a_later_compile_takes_what_was_measured(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = compiled().ir("device")
    best = Choice({0: 13, 1: 48}, ((2, 40),))
    database.record(SUBJECT, best, 0.5, 1e-3)
    monkeypatch.setattr("stratagem.compiler.tuning.search.subject_of", lambda *_: SUBJECT)
    model = compiled()
    assert "to (67, 131) step (13, 48)" in model.ir("device") and "step (13, 48)" not in plain
    a, b = (np.random.default_rng(1).normal(size=s).astype(np.float32) for s in ((67, 129), (129, 131)))
    np.testing.assert_allclose(model(a, b), a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "tiles, message",
    [
        ("sizes = array<i64: 4>, stages = []", "1 sizes for 2 dimensions"),
        ("sizes = array<i64: 4, 17>, stages = []", "size 17 for dimension 1, whose extent is 16"),
        ("sizes = array<i64: 0, 8>, stages = []", "size 0 for dimension 0, whose extent is 8"),
        ("sizes = array<i64: 4, 8>, stages = [array<i64: 7, 2>]", "size 2 for dimension 7, whose extent is unknown"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(tiles: str, message: str) -> None:
    module = parse_module(f"func.func private @k() attributes {{device.tiles = {{{tiles}}}}}")
    dims = KernelDims({}, {0: 8, 1: 16, 2: 64}, [0, 1])
    with pytest.raises(PassError, match=message):
        take_choice(module.body.operations[0].operation, dims)


def test_tiles_are_measured_where_the_code_can_run() -> None:
    refuse_foreign(load_machine("cpu"))
    with pytest.raises(UsageError, match=r"tiles are measured on this machine .* and the target's host is"):
        refuse_foreign(load_machine("generic-rv64gcv"))
