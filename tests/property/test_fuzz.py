"""The fuzzer itself: its programs are legal, a bounded run finds nothing, and planted bugs are found and made small."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest

from stratagem.compiler.ir import parse_module
from stratagem.compiler.levels.tensor import check_tensor_level
from tests.fuzz import programs
from tests.fuzz.__main__ import main
from tests.fuzz.case import Case, case_of
from tests.fuzz.description import Base, Description, Input, Output, Step, Type, Value, affine, product, size_of
from tests.fuzz.edits import EDITS
from tests.fuzz.judge import FAILED, PASSED, REFUSED, Outcome, judge
from tests.fuzz.programs import draw_program
from tests.fuzz.report import Tally
from tests.fuzz.shrink import shrink
from tests.fuzz.systems import KINDS, draw_target
from tests.fuzz.worker import Worker

SEEDS = range(40, 47)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRATAGEM_REPRODUCERS", str(tmp_path / "reproducers"))
    monkeypatch.setenv("STRATAGEM_CACHE", "off")


def test_programs_are_legal_and_belong_to_their_seeds() -> None:
    for seed in range(150):
        program = draw_program(seed)
        case = case_of(program, "cpu")
        check_tensor_level(parse_module(case.text))
        assert all(program.is_defined(sizes) for sizes in program.runs)
        assert case == case_of(draw_program(seed), "cpu")


def test_programs_with_many_empty_tensors_are_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "EMPTY", 0.3)
    drawn = [draw_program(seed) for seed in range(70000, 70100)]
    for program in drawn:
        check_tensor_level(parse_module(case_of(program, "cpu").text))
        assert all(program.is_defined(sizes) for sizes in program.runs)
    assert sum(any(base.size == 0 for base in program.bases) for program in drawn) > 40


def test_programs_cover_the_contract() -> None:
    texts = [case_of(draw_program(seed), "cpu").text for seed in range(400)]
    everything = "\n".join(texts)
    elements = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "i1", "index")
    operations = (
        "linalg.generic", "linalg.matmul", "linalg.batch_matmul", "linalg.conv_2d_nhwc_hwcf", "linalg.pooling_nchw_max",
        "linalg.transpose", "linalg.reduce", "tensor.extract_slice", "tensor.insert_slice", "tensor.pad",
        "tensor.concat", "tensor.expand_shape",
        "tensor.collapse_shape", "tensor.generate", "tensor.splat", "tensor.extract", "scf.if",
        "scf.for", "scf.while", "tm_tensor.scan", "tm_tensor.scatter", "tm_tensor.sort", "tm_tensor.topk",
        "model.unsigned", "model.param", "tensor<?x", '"reduction"', "arith.divui", "math.exp",
    )  # fmt: skip
    missing = [e for e in elements if f"x{e}>" not in everything and f": {e}" not in everything]
    assert not missing + [o for o in operations if o not in everything]


def test_sizes_are_expressions() -> None:
    assert size_of(affine(("b", 0), 1, -2, 3), [12]) == 3
    assert size_of(product([("b", 0), ("c", 2), ("b", 1)]), [3, 5]) == 30
    assert affine(("c", 7), 2, 1) == ("c", 15)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bounded_run(seed: int) -> None:
    kind = ("cpu", "made-up", "ranks")[seed % 3]
    outcome = judge(case_of(draw_program(seed), draw_target(kind, Random(seed))))
    assert outcome.status in (PASSED, REFUSED), f"{outcome.kind}: {outcome.detail}"


def chain(kinds: Sequence[str], parameters: Sequence[int] = ()) -> Description:
    """A program of square values: each step multiplies the result before it with an input of its own, or adds such an
    input transposed.
    """
    square = Type("f32", (("b", 0), ("b", 0)))
    inputs = [Input(n, square, is_parameter=n in parameters) for n in range(1, len(kinds) + 2)]
    steps: list[Step] = []
    last = 1
    for place, kind in enumerate(kinds):
        own, result = place + 2, 100 + 2 * place
        if kind == "add":
            steps.append(
                Step(
                    "transpose", [own], [Value(result + 1, square)], {"text": " permutation = [1, 0]", "init": "empty"}
                )
            )
            own = result + 1
        attrs = {"op": kind, "text": "", "init": "empty" if kind == "add" else {"fill": 0}, "ins": 2}
        steps.append(Step("named", [last, own], [Value(result, square)], attrs))
        last = result
    return Description([Base(5, False)], inputs, steps, [Output(last)], [[5]], 0)


def made_small(program: Description, kind: str) -> Case:
    """The program, which fails with `kind`, after shrinking."""
    outcome = judge(case_of(program, "cpu"))
    assert outcome.status == FAILED and outcome.kind.startswith(kind), outcome
    small, how = shrink(program, "cpu", outcome, judge, 15.0)
    assert how.kind == outcome.kind
    return small


def test_a_wrong_fold_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    from stratagem.compiler.passes import fold_parameters

    honest = fold_parameters._evaluate
    program = chain(["matmul", "add", "matmul"], parameters=[3])
    assert judge(case_of(program, "cpu")).status == PASSED
    monkeypatch.setattr(fold_parameters, "_evaluate", lambda *a: honest(*a) + np.float32(1))
    small = made_small(program, "level tensor: different")
    assert "model.param" in small.text and "linalg.matmul" not in small.text
    monkeypatch.undo()
    assert judge(small).status == PASSED


def test_wrong_code_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    from stratagem.compiler.backends.cpu import bufferize

    program = chain(["matmul", "add", "add"])
    row = Type("f32", (("b", 0),))
    last, element = program.outputs[0].number, ["f32", "f32"]
    code = [{"form": "plain", "op": "arith.addf", "type": "f32", "to": "f32", "args": ["a0", "a1"]}]
    attrs = {
        "ins": 1,
        "inits": ["empty", {"fill": 0}],
        "arguments": element,
        "code": code,
        "yields": "f32",
        "yield": "t0",
    }
    attrs["text"] = "dimension(0) inclusive(false)"
    program.steps.append(
        Step("scan", [last], [Value(200, Type("f32", (*row.dims, *row.dims))), Value(201, row)], attrs)
    )
    program.outputs = [Output(201)]
    assert judge(case_of(program, "cpu")).status == PASSED
    monkeypatch.setattr(bufferize, "complete_scans", lambda module: None)
    small = made_small(program, "code: wrong")
    assert "tm_tensor.scan" in small.text and "linalg.matmul" not in small.text


def test_a_crash_costs_one_process() -> None:
    worker = Worker(0.2)
    try:
        case = case_of(draw_program(1), "cpu")
        outcome = worker.judge(case)
        assert (outcome.status, outcome.kind) == (FAILED, "time-out")
    finally:
        worker.stop()


def test_reproducers_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = case_of(draw_program(3), draw_target("made-up", Random(3)))
    case.save(tmp_path / "one.mlir")
    loaded = Case.load(tmp_path / "one.mlir")
    assert (loaded.text, loaded.runs, loaded.seed) == (case.text, case.runs, case.seed)
    assert loaded.machine() == case.machine()
    assert main(["--replay", str(tmp_path / "one.mlir")]) == 0
    assert "passed" in capsys.readouterr().out
    (tmp_path / "two.mlir").write_text(case.text)
    with pytest.raises(ValueError, match="is no reproducer"):
        Case.load(tmp_path / "two.mlir")


def test_seeds_are_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--programs", "2", "--seed", "40", "--targets", "cpu", "--output", str(tmp_path)]
    assert main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "fuzz: 2 programs, 0 failures"
    assert any(line.startswith("refused with a reason: 0 of 2") for line in lines)
    records = [json.loads(line) for line in (tmp_path / "log-40.jsonl").read_text().splitlines()]
    assert [r["seed"] for r in records] == [40, 41]
    with pytest.raises(SystemExit, match="no kind of target 'abacus'"):
        main(["--targets", "abacus", "--output", str(tmp_path)])


def test_failures_decide_the_last_line() -> None:
    tally = Tally()
    tally.add("cpu", Outcome(PASSED))
    tally.add("gpu", Outcome(FAILED, "code: wrong", "numbers"))
    tally.add("gpu", Outcome(REFUSED, "UnsupportedError", "no such thing\nhint"))
    assert tally.lines()[-1] == "fuzz: 3 programs, 1 failures"
    assert "refused with a reason: 1 of 3 (33.3%)" in tally.lines()


def test_every_edit_gives_other_programs() -> None:
    seen = {edit.__name__: 0 for edit in EDITS}
    for seed in range(24):
        program = draw_program(seed)
        for edit in EDITS:
            copies = list(edit(program))
            seen[edit.__name__] += len(copies)
            assert program.to_json() == draw_program(seed).to_json(), "an edit changed the original"
    assert all(seen.values()), seen


def test_machines_are_valid() -> None:
    for kind in KINDS:
        for seed in range(8):
            assert case_of(draw_program(0), draw_target(kind, Random(seed))).machine().members
