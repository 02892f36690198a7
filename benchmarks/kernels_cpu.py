"""How fast the CPU backend's kernels are: rates, share of the described peak, ratios to numpy and torch.

    python benchmarks/kernels_cpu.py [NAME ...] [--threads N] [--seconds S] [--json FILE]

Each case is one tensor-level operation taken through the whole compiler for this machine. A time is the best of many
calls, the call from Python included. Ratios above 1 mean that Stratagem is faster; a library that is not installed is
left out. Figures from a busy machine are lower bounds.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# A forced kernel choice of numpy's BLAS would make the comparison unfair to it.
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)

import numpy as np  # noqa: E402

Array = np.ndarray[Any, Any]
FMA = "%p = arith.mulf %x0, %x1 : f32\n%q = arith.addf %s, %p : f32\nlinalg.yield %q : f32"


@dataclass(frozen=True)
class Case:
    """One operation.

    Attributes:
        inputs, output: shapes, all f32. body: lines of the function between arguments and `%r`, its result.
        operations: floating-point operations; 0 where memory is what counts.
        numpy, torch: the same on arrays or tensors; None where the library has no such function.
    """

    name: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    body: str
    operations: int = 0
    numpy: Callable[..., Any] | None = None
    torch: Callable[..., Any] | None = None

    @property
    def text(self) -> str:
        """The tensor-level program."""
        arguments = ", ".join(f'%a{i}: {tensor(s)} {{model.input = "a{i}"}}' for i, s in enumerate(self.inputs))
        result = f'({tensor(self.output)} {{model.output = "r"}})'
        return f"func.func @main({arguments}) -> {result} {{\n{self.body}\nreturn %r : {tensor(self.output)}\n}}"

    @property
    def bytes(self) -> int:
        """Bytes of inputs and output: what must move at least."""
        return 4 * sum(int(np.prod(s)) for s in (*self.inputs, self.output))


@dataclass(frozen=True)
class Figure:
    """A measured case; rates in 1e9 per second, ratios of times, None where there is nothing to compare."""

    name: str
    compile_seconds: float
    milliseconds: float
    rate: float
    unit: str
    peak_share: float | None
    against_numpy: float | None
    against_torch: float | None


def tensor(shape: Sequence[int]) -> str:
    return f"tensor<{'x'.join(map(str, [*shape, 'f32']))}>"


def structured(
    shapes: Sequence[Sequence[int]], output: Sequence[int], maps: Sequence[str], kinds: str, body: str
) -> str:
    """Lines for `%r` = one linalg.generic on %a0, %a1 ..., summed from zero where it has reductions."""
    iterators = ", ".join('"parallel"' if k == "p" else '"reduction"' for k in kinds)
    spelled = ", ".join(f"affine_map<{m}>" for m in maps)
    block = ", ".join([*(f"%x{i}: f32" for i in range(len(shapes))), "%s: f32"])
    operands, types = ", ".join(f"%a{i}" for i in range(len(shapes))), ", ".join(tensor(s) for s in shapes)
    start = f"%e = tensor.empty() : {tensor(output)}\n"
    if "r" in kinds:
        start += "%z = arith.constant 0.0 : f32\n"
        start += f"%f = linalg.fill ins(%z : f32) outs(%e : {tensor(output)}) -> {tensor(output)}"
    target = "%f" if "r" in kinds else "%e"
    return (
        f"{start}\n%r = linalg.generic {{indexing_maps = [{spelled}], iterator_types = [{iterators}]}}\n"
        f"ins({operands} : {types}) outs({target} : {tensor(output)}) {{\n"
        f"^bb0({block}):\n{body}\n}} -> {tensor(output)}"
    )


def matmul(m: int, n: int, k: int) -> Case:
    body = structured([(m, k), (k, n)], (m, n), ["(i,j,k)->(i,k)", "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"], "ppr", FMA)
    same: Callable[..., Any] = lambda a, b: a @ b  # noqa: E731
    return Case(f"matmul-{m}x{n}x{k}", ((m, k), (k, n)), (m, n), body, 2 * m * n * k, same, same)


def matmul_rows(m: int, n: int, k: int) -> Case:
    """The second operand row by row along the sum, as linear layers store their weights."""
    body = structured([(m, k), (n, k)], (m, n), ["(i,j,k)->(i,k)", "(i,j,k)->(j,k)", "(i,j,k)->(i,j)"], "ppr", FMA)
    same: Callable[..., Any] = lambda a, b: a @ b.T  # noqa: E731
    return Case(f"linear-{m}x{n}x{k}", ((m, k), (n, k)), (m, n), body, 2 * m * n * k, same, same)


def conv(c: int, f: int, size: int, window: int, stride: int) -> Case:
    """Channels first, one image, no padding."""
    source = (size - 1) * stride + window
    shapes = ((1, c, source, source), (f, c, window, window))
    out = (1, f, size, size)
    loops = "(n,f,h,w,c,p,q)"
    maps = [f"{loops}->(n,c,h*{stride}+p,w*{stride}+q)", f"{loops}->(f,c,p,q)", f"{loops}->(n,f,h,w)"]
    body = structured(shapes, out, maps, "pppprrr", FMA)
    work = 2 * f * size * size * c * window * window

    def torch_conv(x: Any, w: Any) -> Any:
        return importlib.import_module("torch.nn.functional").conv2d(x, w, stride=stride)

    return Case(f"conv-{c}-{f}-{size}-w{window}s{stride}", shapes, out, body, work, None, torch_conv)


def depthwise(c: int, size: int) -> Case:
    shapes, out = ((1, c, size + 2, size + 2), (c, 3, 3)), (1, c, size, size)
    loops = "(n,c,h,w,p,q)"
    maps = [f"{loops}->(n,c,h+p,w+q)", f"{loops}->(c,p,q)", f"{loops}->(n,c,h,w)"]

    def torch_conv(x: Any, w: Any) -> Any:
        return importlib.import_module("torch.nn.functional").conv2d(x, w[:, None], groups=c)

    return Case(f"depthwise-{c}-{size}", shapes, out, structured(shapes, out, maps, "pppprr", FMA), 0, None, torch_conv)


def unary(name: str, shape: tuple[int, int], line: str, numpy: Any, torch: Any) -> Case:
    """`line` computes %y from %x0."""
    body = structured([shape], shape, ["(i,j)->(i,j)"] * 2, "pp", f"{line}\nlinalg.yield %y : f32")
    return Case(name, (shape,), shape, body, 0, numpy, torch)


def transpose(rows: int, columns: int) -> Case:
    body = structured(
        [(rows, columns)], (columns, rows), ["(i,j)->(j,i)", "(i,j)->(i,j)"], "pp", "linalg.yield %x0 : f32"
    )
    copy: Callable[..., Any] = lambda x: np.ascontiguousarray(x.T)  # noqa: E731
    return Case(
        f"transpose-{rows}x{columns}", ((rows, columns),), (columns, rows), body, 0, copy, lambda x: x.t().contiguous()
    )


def row_sum(rows: int, columns: int) -> Case:
    line = "%q = arith.addf %x0, %s : f32\nlinalg.yield %q : f32"
    body = structured([(rows, columns)], (rows,), ["(i,j)->(i,j)", "(i,j)->(i)"], "pr", line)
    return Case(
        f"rowsum-{rows}x{columns}", ((rows, columns),), (rows,), body, 0, lambda x: x.sum(1), lambda x: x.sum(1)
    )


def softmax(rows: int, columns: int) -> Case:
    full, row = tensor((rows, columns)), tensor((rows,))
    by_row = "affine_map<(i,j)->(i)>"
    same = "affine_map<(i,j)->(i,j)>"
    body = f"""
    %z = arith.constant 0.0 : f32
    %low = arith.constant 0xFF800000 : f32
    %er = tensor.empty() : {row}
    %ef = tensor.empty() : {full}
    %m0 = linalg.fill ins(%low : f32) outs(%er : {row}) -> {row}
    %s0 = linalg.fill ins(%z : f32) outs(%er : {row}) -> {row}
    %m = linalg.generic {{indexing_maps = [{same}, {by_row}], iterator_types = ["parallel", "reduction"]}}
      ins(%a0 : {full}) outs(%m0 : {row}) {{
      ^bb0(%x: f32, %s: f32):
        %q = arith.maximumf %x, %s : f32
        linalg.yield %q : f32
      }} -> {row}
    %e = linalg.generic {{indexing_maps = [{same}, {by_row}, {same}], iterator_types = ["parallel", "parallel"]}}
      ins(%a0, %m : {full}, {row}) outs(%ef : {full}) {{
      ^bb0(%x: f32, %y: f32, %s: f32):
        %d = arith.subf %x, %y : f32
        %q = math.exp %d : f32
        linalg.yield %q : f32
      }} -> {full}
    %t = linalg.generic {{indexing_maps = [{same}, {by_row}], iterator_types = ["parallel", "reduction"]}}
      ins(%e : {full}) outs(%s0 : {row}) {{
      ^bb0(%x: f32, %s: f32):
        %q = arith.addf %x, %s : f32
        linalg.yield %q : f32
      }} -> {row}
    %r = linalg.generic {{indexing_maps = [{same}, {by_row}, {same}], iterator_types = ["parallel", "parallel"]}}
      ins(%e, %t : {full}, {row}) outs(%ef : {full}) {{
      ^bb0(%x: f32, %y: f32, %s: f32):
        %q = arith.divf %x, %y : f32
        linalg.yield %q : f32
      }} -> {full}"""

    def reference(x: Array) -> Array:
        e = np.exp(x - x.max(1, keepdims=True))
        return np.asarray(e / e.sum(1, keepdims=True))

    shape = (rows, columns)
    return Case(f"softmax-{rows}x{columns}", (shape,), shape, body, 0, reference, lambda x: x.softmax(-1))


def cases() -> list[Case]:
    """The cases, compute-bound ones first."""
    gelu_torch: Callable[..., Any] = lambda x: importlib.import_module("torch.nn.functional").gelu(x)  # noqa: E731
    gelu = (
        "%c = arith.constant 0.707106769 : f32\n%h = arith.constant 0.5 : f32\n%o = arith.constant 1.0 : f32\n"
        "%u = arith.mulf %x0, %c : f32\n%v = math.erf %u : f32\n%w = arith.addf %v, %o : f32\n"
        "%g = arith.mulf %w, %x0 : f32\n%y = arith.mulf %g, %h : f32"
    )
    return [
        matmul(512, 512, 512),
        matmul(1024, 1024, 1024),
        matmul(197, 3072, 768),
        matmul(1, 3072, 768),
        matmul_rows(128, 3072, 768),
        matmul_rows(1, 3072, 768),
        conv(64, 64, 56, 3, 1),
        conv(256, 64, 56, 1, 1),
        conv(128, 128, 28, 3, 2),
        conv(512, 512, 7, 3, 1),
        conv(3, 64, 112, 7, 2),
        depthwise(144, 56),
        unary("exp-512x3072", (512, 3072), "%y = math.exp %x0 : f32", np.exp, lambda x: x.exp()),
        unary("gelu-512x3072", (512, 3072), gelu, None, gelu_torch),
        unary("negate-4096x4096", (4096, 4096), "%y = arith.negf %x0 : f32", np.negative, lambda x: -x),
        softmax(512, 1024),
        row_sum(4096, 1024),
        transpose(1024, 1024),
    ]


def best_time(call: Callable[[], Any], seconds: float) -> float:
    """The shortest of as many calls as fit in `seconds`, at least five, in seconds."""
    call()
    best, end, count = float("inf"), time.perf_counter() + seconds, 0
    while count < 5 or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
        count += 1
    return best


def measure(case: Case, threads: int, seconds: float) -> Figure:
    """Compiles and times one case; raises ValueError when the result differs from numpy's or torch's."""
    from stratagem.api.compiling import CompiledModel
    from stratagem.compiler.compile import compile_program
    from stratagem.compiler.ir import parse_module
    from stratagem.compiler.program import Program
    from stratagem.hwmodels import load_machine
    from stratagem.runtime.bindings import load_runtime

    machine = load_machine("cpu")
    model = CompiledModel(compile_program(Program(parse_module(case.text)), machine))
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(s).astype(np.float32) for s in case.inputs]
    load_runtime().set_threads(threads)
    got = model(*arrays)
    elapsed = best_time(lambda: model(*arrays), seconds)
    peak = machine.host_device.peak_rate("f32") * (threads or os.cpu_count() or 1) / (os.cpu_count() or 1)
    amount = case.operations or case.bytes
    return Figure(
        case.name,
        round(model.compilation.seconds, 2),
        round(elapsed * 1e3, 4),
        round(amount / elapsed / 1e9, 1),
        "GFLOP/s" if case.operations else "GB/s",
        round(case.operations / elapsed / peak, 2) if case.operations and peak else None,
        _ratio(case.numpy, arrays, got, elapsed, seconds),
        _torch_ratio(case, arrays, got, elapsed, threads, seconds),
    )


def _ratio(call: Any, arguments: Sequence[Any], got: Any, elapsed: float, seconds: float) -> float | None:
    if call is None:
        return None
    expected = np.asarray(call(*arguments))
    if not np.allclose(got, expected, rtol=1e-3, atol=1e-3):
        raise ValueError(f"the result differs by {np.abs(got - expected).max():.3g}")
    return round(best_time(lambda: call(*arguments), seconds) / elapsed, 2)


def _torch_ratio(
    case: Case, arrays: list[Array], got: Any, elapsed: float, threads: int, seconds: float
) -> float | None:
    if case.torch is None or importlib.util.find_spec("torch") is None:
        return None
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads or os.cpu_count() or 1)
    with torch.no_grad():
        return _ratio(case.torch, [torch.from_numpy(a) for a in arrays], got, elapsed, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases whose names begin so; default all")
    parser.add_argument("--threads", type=int, default=0, help="threads of every library; 0 for all processors")
    parser.add_argument("--seconds", type=float, default=0.5, help="time per measurement")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    chosen = [c for c in cases() if not options.names or c.name.startswith(tuple(options.names))]
    print(f"{'case':24}{'compile s':>10}{'ms':>10}{'rate':>9} {'':8}{'of peak':>8}{'x numpy':>9}{'x torch':>9}")
    figures = []
    for case in chosen:
        f = measure(case, options.threads, options.seconds)
        figures.append(f)
        share, numpy, torch = (
            ("-" if v is None else f"{v:.2f}") for v in (f.peak_share, f.against_numpy, f.against_torch)
        )
        rate = f"{f.rate:9.1f} {f.unit:8}"
        print(
            f"{f.name:24}{f.compile_seconds:10.2f}{f.milliseconds:10.3f}{rate}{share:>8}{numpy:>9}{torch:>9}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
