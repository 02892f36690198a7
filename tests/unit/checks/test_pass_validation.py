"""A program after a pass is compared with the program before: what a wrong pass does is found, and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler import knobs
from stratagem.compiler.checks.pass_validation import PassValidator
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, parse_module, walk
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.fold_parameters import FoldParameters
from stratagem.compiler.passes.tile_kernels import TileKernels
from stratagem.compiler.program import Program
from stratagem.runtime.errors import VerificationError
from stratagem.runtime.parameters import ParameterStore

PROGRAM = """
func.func @main(%x: tensor<?x3xf32> {model.input = "x"}, %w: tensor<3xf32> {model.param = "w"},
                %n: tensor<2xi64> {model.input = "n"}) -> (tensor<?x3xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x3xf32>
  %e3 = tensor.empty() : tensor<3xf32>
  %s = linalg.exp ins(%w : tensor<3xf32>) outs(%e3 : tensor<3xf32>) -> tensor<3xf32>
  %e = tensor.empty(%d) : tensor<?x3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
                                        affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<?x3xf32>, tensor<3xf32>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %q = arith.subf %a, %b : f32
    linalg.yield %q : f32
  } -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
"""


def program(text: str = PROGRAM) -> Program:
    weights = np.array([0.5, -1.0, 2.0], np.float32)
    return Program(parse_module(text), ParameterStore({"w": weights}))


def after(changed: str | None, one: Program | None = None) -> list[Finding]:
    """The findings after a pass that turns PROGRAM into `changed`, or into what `one` holds."""
    validator = PassValidator()
    assert not validator.start(program(), PROGRAM)
    now = one or program(changed or PROGRAM)
    return validator.after_pass("tensor", "some-pass", now, str(now.module) if one else changed or PROGRAM)


def verdicts(findings: list[Finding]) -> list[Verdict]:
    return [f.verdict for f in findings]


def test_what_does_not_change_is_proved() -> None:
    assert verdicts(after(None)) == [Verdict.PROVED]


def test_an_equal_program_passes_in_every_domain() -> None:
    other = PROGRAM.replace(
        "%q = arith.subf %a, %b : f32", "%m = arith.negf %b : f32\n    %q = arith.addf %m, %a : f32"
    )
    assert verdicts(after(other)) == [Verdict.TESTED, Verdict.TESTED, Verdict.PROVED_HERE]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("arith.subf %a, %b", "arith.subf %b, %a", "21 of 21 elements differ, first [0, 0]"),
        ("linalg.exp ins", "linalg.log ins", "elements differ"),
        ("(i, j) -> (j)>", "(i, j) -> (2 - j)>", "14 of 21 elements differ"),
        ("(i, j) -> (j)>", "(i, j) -> (j + 1)>", "linalg.generic"),
    ],
)
def test_a_wrong_program_is_refuted(old: str, new: str, said: str) -> None:
    findings = after(PROGRAM.replace(old, new))
    assert findings[0].verdict is Verdict.REFUTED and said in findings[0].detail
    assert findings[1].verdict is Verdict.REFUTED


def test_lost_precision_is_seen_by_the_bound_alone() -> None:
    narrow = """%h = arith.truncf %a : f32 to bf16
    %wide = arith.extf %h : bf16 to f32
    %q = arith.subf %wide, %b : f32"""
    exact, bound, symbolic = after(PROGRAM.replace("%q = arith.subf %a, %b : f32", narrow))
    assert exact.verdict is Verdict.TESTED and symbolic.verdict is Verdict.PROVED_HERE
    assert bound.verdict is Verdict.REFUTED and "reference" in bound.detail


def test_folded_parameters_are_derived_again() -> None:
    folded = program()
    FoldParameters().apply(folded, PassContext())
    assert "w.folded" in folded.parameters
    assert verdicts(after(None, folded)) == [Verdict.TESTED, Verdict.TESTED, Verdict.PROVED_HERE]


def test_a_wrongly_folded_parameter_is_refuted() -> None:
    folded = program()
    FoldParameters().apply(folded, PassContext())
    wrong = ParameterStore({name: array * 1.001 for name, array in folded.parameters.items()})
    findings = after(None, Program(folded.module, wrong))
    assert Verdict.REFUTED in verdicts(findings)
    assert "'w.folded' is new, and no value of the program before holds its data" in findings[0].detail


def test_inputs_that_a_program_refuses_are_not_checked() -> None:
    asserting = PROGRAM.replace("%e3 =", '%no = arith.constant false\n  cf.assert %no, "never"\n  %e3 =', 1)
    validator = PassValidator()
    lost = validator.start(program(asserting), asserting)
    assert verdicts(lost) == [Verdict.NOT_CHECKED] * 3 and "does not take random inputs" in lost[0].detail
    assert validator.after_pass("tensor", "some-pass", program(), PROGRAM) == []


def test_no_time_left_is_said() -> None:
    with knobs.scope(verify_seconds=0):
        validator = PassValidator()
    validator.start(program(), PROGRAM)
    (first, *_) = validator.after_pass("tensor", "some-pass", program(), PROGRAM + "\n// changed")
    assert first.verdict is Verdict.NOT_CHECKED and "STRATAGEM_VERIFY_SECONDS" in first.detail


def test_a_wrong_pass_ends_a_full_compile_and_leaves_a_reproducer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = TileKernels.apply

    def wrong(self: TileKernels, one: Program, context: PassContext) -> None:
        right(self, one, context)
        for op in walk(one.module.operation):
            if op.name == "arith.subf":
                op.operands[0], op.operands[1] = op.operands[1], op.operands[0]

    monkeypatch.setattr(TileKernels, "apply", wrong)
    with knobs.scope(reproducers=str(tmp_path)):
        assert sg.compile(program(), until="device").report.refuted == []
        with knobs.scope(verify="full"), pytest.raises(VerificationError) as caught:
            sg.compile(program(), until="device")
    assert "pass 'tile-kernels' of stage 'device' failed" in str(caught.value)
    assert "same results in the exact field" in str(caught.value) and "stratagem opt" in str(caught.value)
    assert find_function(parse_module((tmp_path / "device-tile-kernels.mlir").read_text()), "main")


BRANCHES = """
func.func @main(%x: tensor<7xf32> {model.input = "x"}, %flag: tensor<i1> {model.input = "flag"},
                %k: tensor<7xi32> {model.input = "k"}) -> (tensor<7xf32> {model.output = "y"}) {
  %two = arith.constant 2.0 : f32
  %zero = arith.constant 0 : i32
  %p = tensor.extract %flag[] : tensor<i1>
  %e = tensor.empty() : tensor<7xf32>
  %one = affine_map_of_x
  %y = scf.if %p -> tensor<7xf32> {
    scf.yield %x : tensor<7xf32>
  } else {
    scf.yield %one : tensor<7xf32>
  }
  return %y : tensor<7xf32>
}
""".replace(
    "%one = affine_map_of_x",
    """%one = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]} ins(%x, %k : tensor<7xf32>, tensor<7xi32>) outs(%e : tensor<7xf32>) {
  ^bb0(%a: f32, %b: i32, %o: f32):
    %n = arith.cmpi slt, %b, %zero : i32
    %d = arith.mulf %a, %two : f32
    %s = arith.select %n, %a, %d : f32
    linalg.yield %s : f32
  } -> tensor<7xf32>""",
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scf.yield %x", "scf.yield %one"),
        ("scf.yield %one", "scf.yield %x"),
        ("cmpi slt", "cmpi sle"),
        ("select %n, %a, %d", "select %n, %d, %d"),
    ],
)
def test_both_branches_and_negative_integers_are_reached(old: str, new: str) -> None:
    validator = PassValidator()
    assert not validator.start(Program(parse_module(BRANCHES)), BRANCHES)
    assert old in BRANCHES
    wrong = BRANCHES.replace(old, new)
    findings = validator.after_pass("tensor", "some-pass", Program(parse_module(wrong)), wrong)
    assert Verdict.REFUTED in verdicts(findings)
    assert len(findings) == len({f.obligation for f in findings}) == 3


def test_what_a_maximum_begins_with_shows_in_some_order() -> None:
    text = """
func.func @main(%x: tensor<2x9xf32> {model.input = "x"}) -> (tensor<2xf32> {model.output = "y"}) {
  %low = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<2xf32>
  %f = linalg.fill ins(%low : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
  %y = linalg.reduce {arith.maximumf} ins(%x : tensor<2x9xf32>) outs(%f : tensor<2xf32>) dimensions = [1]
  return %y : tensor<2xf32>
}"""
    validator = PassValidator()
    validator.start(Program(parse_module(text)), text)
    wrong = text.replace("0xFF800000", "0.0")
    findings = validator.after_pass("tensor", "some-pass", Program(parse_module(wrong)), wrong)
    assert Verdict.REFUTED in verdicts(findings)


def test_a_parameter_keeps_its_data() -> None:
    validator, changed = PassValidator(), program()
    validator.start(program(), PROGRAM)
    changed.parameters = ParameterStore({"w": np.array([0.5, -1.0, 2.5], np.float32)})
    (finding,) = validator.after_pass("tensor", "some-pass", changed, PROGRAM)
    assert finding.verdict is Verdict.REFUTED and finding.detail == "parameter 'w' holds other data than before"


def test_a_result_of_another_shape_is_refuted() -> None:
    other = PROGRAM.replace("%d = tensor.dim %x, %c0", "%d = tensor.dim %x, %c1").replace(
        "%c0 = arith.constant 0 : index", "%c1 = arith.constant 1 : index"
    )
    wrong = other.replace("ins(%x, %s", "ins(%cut, %s").replace(
        "  %y =",
        "  %cut = tensor.extract_slice %x[0, 0] [%d, 3] [1, 1] : tensor<?x3xf32> to tensor<?x3xf32>\n  %y =",
        1,
    )
    assert all("shape" in f.detail for f in after(wrong)) and Verdict.REFUTED in verdicts(after(wrong))


def test_sizes_that_may_differ_do() -> None:
    text = """
func.func @main(%x: tensor<?xf32> {model.input = "x"}, %y: tensor<?xf32> {model.input = "y"})
    -> (tensor<?xf32> {model.output = "z"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %m = tensor.dim %y, %c0 : tensor<?xf32>
  %fits = arith.cmpi sle, %n, %m : index
  cf.assert %fits, "y is shorter than x"
  %part = tensor.extract_slice %y[0] [%n] [1] : tensor<?xf32> to tensor<?xf32>
  return %part : tensor<?xf32>
}"""
    validator = PassValidator()
    validator.start(Program(parse_module(text)), text)
    wrong = text.replace("[%n] [1]", "[%m] [1]")
    findings = validator.after_pass("tensor", "some-pass", Program(parse_module(wrong)), wrong)
    assert findings[0].verdict is Verdict.REFUTED and "shape" in findings[0].detail
