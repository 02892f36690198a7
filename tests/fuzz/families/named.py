"""Named structured operations: products, convolutions, pooling, elementwise, transposes, broadcasts, reductions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz.description import FLOATS, Dim, Shape, Step, Type
from tests.fuzz.scope import Scope
from tests.fuzz.text import Writer, emits

PRODUCTS = {
    "matmul": ("mk", "kn", "mn"),
    "batch_matmul": ("bmk", "bkn", "bmn"),
    "batch_reduce_matmul": ("bmk", "bkn", "mn"),
    "matvec": ("mk", "k", "m"),
    "vecmat": ("k", "kn", "n"),
    "batch_matvec": ("bmk", "bk", "bm"),
    "batch_vecmat": ("bk", "bkn", "bn"),
    "dot": ("k", "k", ""),
}


@dataclass(frozen=True)
class Window:
    """Letters: `i` and `j` are window sizes, `x` and `y` the sizes slid over, `h` and `w` what results."""

    image: str
    filter: str
    result: str

    @property
    def slides(self) -> str:
        return "xy"[: sum(c in "ij" for c in self.filter)]


WINDOWS = {
    "conv_1d_nwc_wcf": Window("nxc", "icf", "nhf"),
    "conv_1d_ncw_fcw": Window("ncx", "fci", "nfh"),
    "conv_2d_nhwc_hwcf": Window("nxyc", "ijcf", "nhwf"),
    "conv_2d_nchw_fchw": Window("ncxy", "fcij", "nfhw"),
    "depthwise_conv_1d_nwc_wc": Window("nxc", "ic", "nhc"),
    "depthwise_conv_2d_nhwc_hwc": Window("nxyc", "ijc", "nhwc"),
    "depthwise_conv_2d_nchw_chw": Window("ncxy", "cij", "nchw"),
    "pooling_nhwc_sum": Window("nxyc", "ij", "nhwc"),
    "pooling_nhwc_max": Window("nxyc", "ij", "nhwc"),
    "pooling_nhwc_min": Window("nxyc", "ij", "nhwc"),
    "pooling_nchw_sum": Window("ncxy", "ij", "nchw"),
    "pooling_nchw_max": Window("ncxy", "ij", "nchw"),
    "pooling_nwc_max": Window("nxc", "i", "nhc"),
    "pooling_ncw_sum": Window("ncx", "i", "nch"),
}
UNARY = ("exp", "abs", "ceil", "floor", "negf", "reciprocal", "round", "sqrt", "rsqrt", "square", "tanh", "erf", "log")
BINARY = ("add", "sub", "mul", "max", "min")


@emits("named")
def named(writer: Writer, step: Step) -> None:
    attrs = step.attrs
    (result,) = step.results
    init = writer.initial(step, result.type, attrs["init"])
    kind = writer.type(result.type)
    ins = writer.typed(step.operands[: attrs["ins"]])
    writer.results(step, f"linalg.{attrs['op']}{attrs['text']} ins({ins}) outs({init} : {kind}) -> {kind}")


@emits("pooling")
def pooling(writer: Writer, step: Step) -> None:
    """The window of a pooling is a tensor of which only the shape counts."""
    (result,) = step.results
    window, kind = Type(result.type.element, tuple(step.attrs["window"])), writer.type(result.type)
    shape = writer.empty(window)
    init = writer.initial(step, result.type, step.attrs["init"])
    image = step.operands[0]
    ins = f"{writer.operand(image)}, {shape} : {writer.kind(image)}, {writer.type(window)}"
    writer.results(step, f"linalg.{step.attrs['op']}{step.attrs['text']} ins({ins}) outs({init} : {kind}) -> {kind}")


def product(scope: Scope) -> None:
    rng = scope.rng
    name = rng.choice(list(PRODUCTS))
    left, right, out = PRODUCTS[name]
    element = scope.element()
    known = scope.value(lambda t: len(t.dims) == len(left))
    sizes: dict[str, Dim] = {}
    if known is not None and rng.random() < 0.7:
        element = known.type.element
        sizes = dict(zip(left, known.type.dims, strict=True))
    sizes = {c: sizes.get(c) or scope.dim() for c in left + right}
    shapes = [tuple(sizes[c] for c in letters) for letters in (left, right, out)]
    if not scope.fits(shapes[0], list(sizes.values())) or not scope.fits(shapes[1]) or not scope.fits(shapes[2]):
        return
    operands = [scope.of_type(Type(element, shape)) for shape in shapes[:2]]
    wide = {"f16": "f32", "bf16": "f32", "i8": "i32", "i16": "i32"}.get(element, element)
    result = Type(wide if rng.random() < 0.4 else element, shapes[2])
    _add(scope, name, operands, result, "", {"fill": 0} if rng.random() < 0.8 else None)


def window(scope: Scope) -> None:
    rng = scope.rng
    name = rng.choice(list(WINDOWS))
    form = WINDOWS[name]
    known = scope.value(lambda t: len(t.dims) == len(form.image))
    sizes: dict[str, Dim] = {}
    if known is not None and rng.random() < 0.6:
        sizes = dict(zip(form.image, known.type.dims, strict=True))
    sizes = {c: sizes.get(c) or scope.dim() for c in form.image} | ({"f": scope.dim()} if "f" in form.filter else {})
    strides, gaps, needs = [], [], []
    for slid, inner, out in zip(form.slides, "ij", "hw", strict=False):
        sizes[inner] = ("c", rng.randint(1, 3))
        stride, gap = rng.randint(1, 3), rng.choice([1, 1, 2])
        reach = gap * (sizes[inner][1] - 1) + 1
        needs.append((sizes[slid], reach))
        sizes[out] = ("a", sizes[slid], 1, stride - reach, stride)
        strides.append(stride)
        gaps.append(gap)
    shapes = [tuple(sizes[c] for c in letters) for letters in (form.image, form.filter, form.result)]
    work = [*shapes[2], *shapes[1]]
    if not scope.fits(shapes[0], work) or not scope.fits(shapes[1]):
        return
    element = (
        known.type.element
        if known is not None and form.image and tuple(known.type.dims) == shapes[0]
        else scope.element()
    )
    if element == "i1":
        element = "f32"
    kind = f"tensor<{len(strides)}xi64>"
    text = f" {{strides = dense<{strides}> : {kind}, dilations = dense<{gaps}> : {kind}}}"
    image = scope.of_type(Type(element, shapes[0]))
    if not name.startswith("pooling"):
        filters = scope.of_type(Type(element, shapes[1]))
        _add(scope, name, [image, filters], Type(element, shapes[2]), text, {"fill": 0}, needs)
        return
    start: Any = 0
    if not name.endswith("sum"):
        largest = name.endswith("max")
        low = -(2 ** ({"i8": 7, "i16": 15, "i32": 31}.get(element, 63)))
        start = ("-inf" if largest else "inf") if element in FLOATS else (low if largest else -(low + 1))
    result = Type(element, shapes[2])
    scope.add("pooling", [image], [result], op=name, text=text, init={"fill": start}, window=shapes[1], needs=needs)


def _add(scope: Scope, op: str, operands: list[Any], result: Type, text: str, init: Any, needs: Any = ()) -> None:
    """`init` None: a value there is, or a new one."""
    given = list(operands)
    if init is None:
        given.append(scope.of_type(result))
        init = {"operand": len(operands)}
    scope.add("named", given, [result], op=op, text=text, init=init, ins=len(operands), needs=needs)


def elementwise(scope: Scope) -> None:
    """`linalg.add` and the like; their operands have the result's shape."""
    value = scope.any(0, 4)
    element = value.type.element
    if element == "i1":
        return
    if element in FLOATS and scope.rng.random() < 0.4:
        _add(scope, scope.rng.choice(UNARY), [value], value.type, "", "empty")
        return
    _add(scope, scope.rng.choice(BINARY), [value, scope.of_type(value.type)], value.type, "", "empty")


@emits("transpose", "broadcast", "reduce", "map")
def shaped(writer: Writer, step: Step) -> None:
    (result,) = step.results
    init = writer.initial(step, result.type, step.attrs["init"])
    kind = writer.type(result.type)
    name = writer.fresh()
    inner = f" {{ {step.attrs['op']} }}" if "op" in step.attrs else ""
    ins = f"ins({writer.typed(step.operands)})"
    writer.lines.append(f"{name} = linalg.{step.kind}{inner} {ins} outs({init} : {kind}){step.attrs['text']}")
    writer.bind(result, name)


def transpose(scope: Scope) -> None:
    value = scope.any(1, 4)
    order = scope.rng.sample(range(len(value.type.dims)), len(value.type.dims))
    kind = Type(value.type.element, tuple(value.type.dims[i] for i in order))
    scope.add("transpose", [value], [kind], text=f" permutation = {order}", init="empty")


def broadcast(scope: Scope) -> None:
    value = scope.any(0, 3)
    rank = len(value.type.dims)
    new = sorted(scope.rng.sample(range(rank + 1), scope.rng.randint(1, min(2, rank + 1))))
    if len(new) + rank > 4:
        return
    dims: list[Dim] = list(value.type.dims)
    for place in new:
        dims.insert(place, scope.dim())
    if scope.fits(dims):
        scope.add(
            "broadcast", [value], [Type(value.type.element, tuple(dims))], text=f" dimensions = {new}", init="empty"
        )


def reduce(scope: Scope) -> None:
    value = scope.any(1, 4)
    shape: Shape = value.type.dims
    gone = sorted(scope.rng.sample(range(len(shape)), scope.rng.randint(1, len(shape))))
    element = value.type.element
    choices: Mapping[str, Any] = {"arith.addf": 0, "arith.mulf": 1, "arith.maximumf": "-inf", "arith.minimumf": "inf"}
    if element not in FLOATS:
        choices = {"arith.addi": 0, "arith.xori": 0, "arith.andi": 0 if element == "i1" else -1, "arith.maxui": 0}
    op = scope.rng.choice(list(choices))
    kind = Type(element, tuple(d for i, d in enumerate(shape) if i not in gone))
    scope.add("reduce", [value], [kind], op=op, text=f" dimensions = {gone}", init={"fill": choices[op]})


def mapped(scope: Scope) -> None:
    value = scope.any(0, 4)
    if value.type.element in FLOATS:
        op = scope.rng.choice(["arith.negf", "math.absf", "math.tanh", "math.sin"])
        scope.add("map", [value], [value.type], op=op, text="", init="empty")
        return
    op = scope.rng.choice(["arith.addi", "arith.xori", "arith.minsi"])
    scope.add("map", [value, scope.of_type(value.type)], [value.type], op=op, text="", init="empty")
