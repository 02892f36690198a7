"""Convolutions in a row, as networks have them, down the ladder and run: channels last, frames, sums in registers."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore
from tests.run.cpu.harness import Array
from tests.run.cpu.test_programs import check, module

MAPS = """
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
#c = affine_map<(n, c, h, w) -> (c)>
#nc = affine_map<(n, c, h, w) -> (n, c)>
"""


class Net:
    """Text of a program on `[n, c, h, w]`, operation by operation; each returns the name of its result."""

    def __init__(self) -> None:
        self.lines = ["%zero = arith.constant 0.0 : f32", "%least = arith.constant 0xFF800000 : f32"]
        self.parameters: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def kind(self, name: str) -> str:
        return f"tensor<{'x'.join(map(str, self.shapes[name]))}xf32>"

    def named(self, shape: tuple[int, ...]) -> str:
        name = f"v{len(self.shapes)}"
        self.shapes[name] = shape
        return name

    def parameter(self, *shape: int) -> str:
        name = f"w{len(self.parameters)}"
        self.parameters[name] = np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32)
        self.shapes[name] = shape
        return name

    def filled(self, name: str, value: str) -> str:
        kind = self.kind(name)
        self.lines += [f"%{name}_e = tensor.empty() : {kind}"]
        self.lines += [f"%{name}_f = linalg.fill ins(%{value} : f32) outs(%{name}_e : {kind}) -> {kind}"]
        return f"outs(%{name}_f : {kind}) -> {kind}"

    def pad(self, x: str, by: int, value: str = "zero") -> str:
        n, c, h, w = self.shapes[x]
        made = self.named((n, c, h + 2 * by, w + 2 * by))
        self.lines += [
            f"%{made} = tensor.pad %{x} low[0, 0, {by}, {by}] high[0, 0, {by}, {by}] {{",
            "^bb0(%i: index, %j: index, %k: index, %l: index):",
            f"tensor.yield %{value} : f32 }} : {self.kind(x)} to {self.kind(made)}",
        ]
        return made

    def window(self, name: str, x: str, filters: str, features: int, k: int, stride: int, start: str = "zero") -> str:
        n, _, h, w = self.shapes[x]
        made = self.named((n, features, (h - k) // stride + 1, (w - k) // stride + 1))
        ends = self.filled(made, start)
        ones = "dilations = dense<1> : tensor<2xi64>"
        self.lines += [
            f"%{made} = linalg.{name} {{{ones}, strides = dense<{stride}> : tensor<2xi64>}} "
            f"ins(%{x}, %{filters} : {self.kind(x)}, {self.kind(filters)}) {ends}"
        ]
        return made

    def conv(self, x: str, features: int, k: int, stride: int = 1) -> str:
        filters = self.parameter(features, self.shapes[x][1], k, k)
        return self.window("conv_2d_nchw_fchw", x, filters, features, k, stride)

    def depthwise(self, x: str, k: int, stride: int = 1) -> str:
        channels = self.shapes[x][1]
        return self.window("depthwise_conv_2d_nchw_chw", x, self.parameter(channels, k, k), channels, k, stride)

    def pool(self, x: str, k: int, stride: int) -> str:
        window = self.named((k, k))
        self.lines += [f"%{window} = tensor.empty() : {self.kind(window)}"]
        return self.window("pooling_nchw_max", x, window, self.shapes[x][1], k, stride, "least")

    def activated(self, x: str, other: str | None = None) -> str:
        """max(x + bias [+ other], 0)."""
        bias, made, kind = self.parameter(self.shapes[x][1]), self.named(self.shapes[x]), self.kind(x)
        more = ("#id, ", f", %{other}", f", {kind}", "%r: f32, ") if other else ("", "", "", "")
        added = "%t = arith.addf %s, %r : f32" if other else "%t = arith.addf %s, %zero : f32"
        self.lines += [
            f"%{made}_e = tensor.empty() : {kind}",
            f"%{made} = linalg.generic {{indexing_maps = [#id, #c, {more[0]}#id], iterator_types = "
            f'["parallel", "parallel", "parallel", "parallel"]}} ins(%{x}, %{bias}{more[1]} : {kind}, '
            f"{self.kind(bias)}{more[2]}) outs(%{made}_e : {kind}) {{",
            f"^bb0(%p: f32, %q: f32, {more[3]}%o: f32):",
            "%s = arith.addf %p, %q : f32",
            added,
            "%m = arith.maximumf %t, %zero : f32",
            f"linalg.yield %m : f32 }} -> {kind}",
        ]
        return made

    def text(self, result: str) -> str:
        given = "".join(f', %{n}: {self.kind(n)} {{model.param = "{n}"}}' for n in self.parameters)
        kind = self.kind(result)
        signature = f'(%x: {self.kind("x")} {{model.input = "x"}}{given}) -> ({kind} {{model.output = "y"}})'
        return MAPS + module(signature, "\n".join([*self.lines, f"return %{result} : {kind}"]))


def net(height: int, width: int, channels: int) -> tuple[Net, str]:
    """A stem with a pooling, a residual block, a strided depthwise one, and a projection."""
    made = Net()
    made.shapes["x"] = (1, 3, height, width)
    stem = made.activated(made.conv(made.pad("x", 1), channels, 3))
    pooled = made.pool(made.pad(stem, 1, "least"), 3, 2)
    inner = made.activated(made.conv(made.pad(pooled, 1), channels, 3))
    joined = made.activated(made.conv(made.pad(inner, 1), channels, 3), pooled)
    deep = made.activated(made.depthwise(made.pad(joined, 1), 3, 2))
    return made, made.activated(made.conv(deep, 7, 1))


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(13, 9, 33), (14, 14, 64), (5, 6, 96), (8, 64, 5), (3, 3, 1)]
)
def test_a_network(height: int, width: int, channels: int) -> None:
    made, result = net(height, width, channels)
    x = np.random.default_rng(1).standard_normal((1, 3, height, width)).astype(np.float32)
    check(made.text(result), {"x": x}, made.parameters)


@pytest.mark.parametrize(
    "target", ["generic-avx512", "generic-avx2", "generic-sse", "generic-aarch64", "generic-rv64gcv"]
)
def test_every_description_is_proved(target: str) -> None:
    """Compiling proves every kernel; paddings are parts of kernels, and nothing is transposed in between."""
    made, result = net(14, 14, 64)
    program = Program(parse_module(made.text(result)), ParameterStore(made.parameters))
    device = sg.compile(program, target=target, until="physical").ir("device")
    assert "tensor.pad" not in device and "call @copy" not in device
    assert "tensor<1x14x14x64xf32>" in device or "tensor<1x16x16x64xf32>" in device
