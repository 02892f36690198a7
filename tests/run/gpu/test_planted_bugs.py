"""The checked interpreter names planted bugs, also those whose results happen to be right."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter
from stratagem.compiler.backends.gpu.printer.kernel import PrintedKernel
from stratagem.runtime.errors import ResourceError, VerificationError
from tests.unit.gpu import kernels
from tests.unit.gpu.support import arguments, needs_triton, printed

pytestmark = needs_triton


def matmul() -> PrintedKernel:
    return printed(kernels.matmul_gelu("?", 70, 45))


BUGS = [
    (
        "mask of the store dropped",
        "out-of-bounds write",
        ", mask=(lane64[:, None] < n0) & (lane32[None, :] < n1))",
        ")",
    ),
    (
        "mask of a load dropped",
        "out-of-bounds read",
        "mask=lane32 < n1, other=0)",
        "mask=lane32 < 64, other=0)",
    ),
    ("offset off by one row", "output not covered", "tl.store((out0 + (tl", "tl.store((out0 + 45 + (tl"),
    ("two programs store one tile", "race write-write", "i1 = (pid0 % 2) * 32", "i1 = (pid0 % 2) * 16"),
    (
        "row stride too small",
        "overlapping lanes of one store",
        "+ lane64[:, None] * 45 +",
        "+ lane64[:, None] * 5 +",
    ),
    ("store to an input", "write to input", "tl.store((out0", "tl.store((in0"),
    ("grid too small", "output not covered", "", ""),
]


@pytest.mark.parametrize(("finding", "old", "new"), [b[1:] for b in BUGS], ids=[b[0] for b in BUGS])
def test_bug_is_named(interpreter: CheckedInterpreter, finding: str, old: str, new: str) -> None:
    kernel = matmul()
    source, plan = kernel.source, kernel.plan
    if old:
        assert source.count(old) == 1
        source = source.replace(old, new)
    else:
        data = plan.to_json()
        data["launches"][0]["grid"] = 3
        plan = type(plan).from_json(data)
    run = interpreter.run(source, plan, arguments(kernel.plan, 67), tolerant=True)
    assert finding in run.problems, run.problems


def test_findings_are_errors_that_name_kernel_and_program(interpreter: CheckedInterpreter) -> None:
    kernel = matmul()
    source = kernel.source.replace("i1 = (pid0 % 2) * 32", "i1 = (pid0 % 2) * 16")
    with pytest.raises(VerificationError, match=r"kernel 'matmul_gelu' breaks its contract: .*race write-write: out0"):
        interpreter.run(source, kernel.plan, arguments(kernel.plan, 67))


def test_scratch_that_no_phase_wrote_is_named(interpreter: CheckedInterpreter) -> None:
    kernel = printed(kernels.two_phases(5, 33))
    source = kernel.source.replace("tl.store(scratch0 + i0, r0)", "tl.store(scratch0 + i0, r0, mask=i0 < 4)")
    run = interpreter.run(source, kernel.plan, arguments(kernel.plan, 0), tolerant=True)
    assert list(run.problems) == ["read of uninitialised memory"]


def test_arithmetic_on_bf16_bits_is_refused(interpreter: CheckedInterpreter) -> None:
    kernel = printed(kernels.scale_add("?", 101, "bf16"))
    source = kernel.source.replace("x0.to(tl.float32) * x1[None, :].to(tl.float32)", "x0 * x1[None, :]")
    assert source != kernel.source
    with pytest.raises(ResourceError, match="bfloat16: emitted kernels compute in float32"):
        interpreter.run(source, kernel.plan, arguments(kernel.plan, 3))


HUGE = 2_000_000_000


def test_addresses_past_32_bits_are_right(interpreter: CheckedInterpreter) -> None:
    kernel = matmul()
    run = interpreter.check_addresses(kernel.source, kernel.plan, [(HUGE, 70), (70, 45), (45,), (HUGE, 45)])
    assert run.problems == {} and run.lanes > 1000


def test_a_32_bit_offset_is_named(interpreter: CheckedInterpreter) -> None:
    kernel = matmul()
    source = kernel.source.replace("tl.cast(i0, tl.int64)", "i0")
    run = interpreter.check_addresses(source, kernel.plan, [(HUGE, 70), (70, 45), (45,), (HUGE, 45)])
    assert {"out-of-bounds read", "out-of-bounds write"} <= set(run.problems)


def test_static_extents_past_32_bits_are_right(interpreter: CheckedInterpreter) -> None:
    kernel = printed(kernels.scale_add(100_000, 70_000, tile=8, columns=128))
    shapes = [(100_000, 70_000), (70_000,), (100_000, 1), (100_000, 70_000)]
    assert interpreter.check_addresses(kernel.source, kernel.plan, shapes).problems == {}


def test_results_are_poisoned_until_written(interpreter: CheckedInterpreter) -> None:
    kernel = printed(kernels.softmax("?", 8))
    source = kernel.source.replace("i0 = tl.program_id(0) * 3", "i0 = tl.program_id(0) * 3 + 3")
    values = arguments(kernel.plan, 9)
    interpreter.run(source, kernel.plan, values, tolerant=True)
    assert np.isnan(values[1][:3]).all()
