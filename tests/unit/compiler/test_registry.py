"""Passes by name: they parse, print back, and unknown ones are answered with the nearest name."""

from __future__ import annotations

import pytest

from stratagem.compiler.passes.registry import PASSES, parse, pass_class
from stratagem.compiler.pipeline import PIPELINE, with_options
from stratagem.runtime.errors import UsageError


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_is_registered_under_its_own_name_and_explained(name: str) -> None:
    cls = pass_class(name)
    assert cls.name == name
    assert name == "mlir" or cls.__module__.endswith(name.replace("-", "_"))
    module = __import__(cls.__module__, fromlist=["x"])
    assert module.__doc__


@pytest.mark.parametrize(
    "text", ["drop-unused-results", "partition-program{strategy=batch}", "mlir{pipeline=canonicalize,cse}"]
)
def test_passes_print_as_they_parse(text: str) -> None:
    assert str(parse(text)) == text


def test_pipelines_of_upstream_passes_may_hold_options() -> None:
    text = "mlir{pipeline=func.func(linalg-fold-unit-extent-dims{use-rank-reducing-slices=true})}"
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drop-unused-result", "there is no pass 'drop-unused-result'\n  hint: did you mean drop-unused-results"),
        ("zzz", "there is no pass 'zzz'\n  hint: passes: "),
        ("plan-memory{size=3}", "pass 'plan-memory' has no option 'size'"),
        ("plan memory", "cannot read the pass"),
    ],
)
def test_mistakes_are_answered(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_every_pass_of_the_pipeline_exists() -> None:
    for _, passes in (*PIPELINE, *with_options("batch")):
        for text in passes:
            parse(text)
    assert any("strategy=batch" in p for _, passes in with_options("batch") for p in passes)
