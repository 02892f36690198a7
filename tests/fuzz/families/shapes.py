"""Moves and shapes: slices, insertions, padding, concatenation, reshapes, generated and constant tensors."""

from __future__ import annotations

from typing import Any

from tests.fuzz.body import BodyMaker
from tests.fuzz.description import FLOATS, ONE, Dim, Shape, Step, Type, Value, affine, product
from tests.fuzz.scope import Scope
from tests.fuzz.text import Writer, emits

Cut = tuple[int, Dim, int]


def _cut(scope: Scope, dim: Dim, needs: list[tuple[Dim, int]]) -> Cut:
    """(offset, size, stride) of a part of `dim`."""
    rng, pick = scope.rng, scope.rng.random()
    if pick < 0.4:
        return 0, dim, 1
    if pick < 0.7:
        stride, offset = rng.choice([1, 1, 2, 3]), rng.randint(0, 2)
        needs.append((dim, offset))
        return offset, affine(dim, 1, stride - 1 - offset, stride), stride
    stride, offset, size = rng.choice([1, 1, 2]), rng.randint(0, 3), rng.choice([1, 1, 2, 3])
    needs.append((dim, offset + (size - 1) * stride + 1))
    return offset, ("c", size), stride


def _cuts(scope: Scope, shape: Shape) -> tuple[list[Cut], list[tuple[Dim, int]]]:
    """A part of each dimension. Where types say a size, MLIR wants the offset to be inside, even of an empty part."""
    needs: list[tuple[Dim, int]] = []
    cuts = [_cut(scope, dim, needs) for dim in shape]
    fixed = [
        (dim, offset + 1) for dim, (offset, _, _) in zip(shape, cuts, strict=True) if not scope.program.is_dynamic(dim)
    ]
    needs += fixed
    if any(scope.size(dim) < least for dim, least in needs):
        return [(0, dim, 1) for dim in shape], [(dim, 1) for dim, _ in fixed]
    return cuts, needs


def _listed(writer: Writer, step: Step) -> str:
    cuts = step.attrs["cuts"]
    offsets = ", ".join(
        writer.operand(step.operands[o["operand"]]) if isinstance(o, dict) else str(o) for o, _, _ in cuts
    )
    return f"[{offsets}] [{writer.sizes([s for _, s, _ in cuts])}] [{', '.join(str(s) for _, _, s in cuts)}]"


@emits("extract_slice")
def extract_slice(writer: Writer, step: Step) -> None:
    source, (result,) = step.operands[0], step.results
    types = f"{writer.kind(source)} to {writer.type(result.type)}"
    writer.results(step, f"tensor.extract_slice {writer.operand(source)}{_listed(writer, step)} : {types}")


@emits("insert_slice")
def insert_slice(writer: Writer, step: Step) -> None:
    part, whole = step.operands[:2]
    types = f"{writer.kind(part)} into {writer.kind(whole)}"
    text = f"{writer.operand(part)} into {writer.operand(whole)}{_listed(writer, step)}"
    writer.results(step, f"tensor.insert_slice {text} : {types}")


def _kept(scope: Scope, cuts: list[Cut]) -> Shape:
    """The slice's shape; dimensions of one element may be dropped."""
    return tuple(size for _, size, _ in cuts if size != ONE or scope.rng.random() < 0.6)


def slice_of(scope: Scope) -> None:
    value = scope.any(1, 4)
    cuts, needs = _cuts(scope, value.type.dims)
    scope.add("extract_slice", [value], [Type(value.type.element, _kept(scope, cuts))], cuts=cuts, needs=needs)


def insertion(scope: Scope) -> None:
    whole = scope.any(1, 4)
    cuts, needs = _cuts(scope, whole.type.dims)
    part = scope.of_type(Type(whole.type.element, _kept(scope, cuts)))
    scope.add("insert_slice", [part, whole], [whole.type], cuts=cuts, needs=needs)


def counted_slice(scope: Scope) -> None:
    """One row of a value, where a loop's counter says; the counter is brought into range."""
    value = scope.value(lambda t: len(t.dims) >= 1)
    if value is None or not scope.scalars:
        return
    first, *rest = value.type.dims
    counter = Value(scope.rng.choice(scope.scalars), Type("index", None))
    (place,) = scope.add("clamp", [counter], [Type("index", None)], dim=first, needs=[(first, 1)])
    cuts: list[Any] = [({"operand": 1}, ONE, 1), *((0, dim, 1) for dim in rest)]
    needs = [(dim, 1) for dim in rest]
    scope.add("extract_slice", [value, place], [Type(value.type.element, tuple(rest))], cuts=cuts, needs=needs)


def counted_insertion(scope: Scope) -> None:
    value = scope.value(lambda t: len(t.dims) >= 1)
    if value is None or not scope.scalars:
        return
    first, *rest = value.type.dims
    counter = Value(scope.rng.choice(scope.scalars), Type("index", None))
    (place,) = scope.add("clamp", [counter], [Type("index", None)], dim=first, needs=[(first, 1)])
    part = scope.of_type(Type(value.type.element, tuple(rest)))
    cuts: list[Any] = [({"operand": 2}, ONE, 1), *((0, dim, 1) for dim in rest)]
    needs = [(dim, 1) for dim in rest]
    scope.add("insert_slice", [part, value, place], [value.type], cuts=cuts, needs=needs)


@emits("clamp")
def clamp(writer: Writer, step: Step) -> None:
    last = writer.define(f"arith.subi {writer.dim(step.attrs['dim'])}, {writer.constant('index', 1)} : index")
    writer.results(step, f"arith.minui {writer.operand(step.operands[0])}, {last} : index")


@emits("pad")
def pad(writer: Writer, step: Step) -> None:
    (result,) = step.results
    value, attrs = step.operands[0], step.attrs
    scalar = writer.constant(result.type.element, attrs["value"])
    arguments = ", ".join(f"{writer.fresh()}: index" for _ in result.type.dims)
    body = f"^bb0({arguments}):\n    tensor.yield {scalar} : {result.type.element}"
    head = f"tensor.pad {writer.operand(value)} low{attrs['low']} high{attrs['high']}"
    writer.results(step, f"{head} {{\n  {body}\n  }} : {writer.kind(value)} to {writer.type(result.type)}")


def padding(scope: Scope) -> None:
    value = scope.any(1, 4)
    low, high = ([scope.rng.choice([0, 0, 1, 2]) for _ in value.type.dims] for _ in range(2))
    dims = tuple(affine(d, 1, a + b) for d, a, b in zip(value.type.dims, low, high, strict=True))
    start = scope.rng.choice([0, 1, -1]) if value.type.element != "i1" else scope.rng.choice([0, 1])
    if scope.fits(dims):
        scope.add("pad", [value], [Type(value.type.element, dims)], low=low, high=high, value=start)


@emits("concat")
def concat(writer: Writer, step: Step) -> None:
    types = ", ".join(map(writer.kind, step.operands))
    names = ", ".join(map(writer.operand, step.operands))
    result = writer.type(step.results[0].type)
    writer.results(step, f"tensor.concat dim({step.attrs['axis']}) {names} : ({types}) -> {result}")


def joining(scope: Scope) -> None:
    value = scope.any(1, 4)
    axis = scope.rng.randrange(len(value.type.dims))
    parts, total = [value], value.type.dims[axis]
    for _ in range(scope.rng.choice([1, 1, 2])):
        size = scope.dim()
        dims = (*value.type.dims[:axis], size, *value.type.dims[axis + 1 :])
        parts.append(scope.of_type(Type(value.type.element, dims)))
        total = ("c", total[1] + size[1]) if total[0] == size[0] == "c" else ("+", total, size)
    dims = (*value.type.dims[:axis], total, *value.type.dims[axis + 1 :])
    if scope.fits(dims):
        scope.add("concat", parts, [Type(value.type.element, dims)], axis=axis)


@emits("collapse_shape", "expand_shape")
def reshape(writer: Writer, step: Step) -> None:
    source, (result,) = step.operands[0], step.results
    groups = str([list(g) for g in step.attrs["groups"]])
    out = f" output_shape [{writer.sizes(result.type.dims)}]" if step.kind == "expand_shape" else ""
    types = f"{writer.kind(source)} into {writer.type(result.type)}"
    writer.results(step, f"tensor.{step.kind} {writer.operand(source)} {groups}{out} : {types}")


def collapsing(scope: Scope) -> None:
    value = scope.any(1, 4)
    dims = value.type.dims
    groups: list[list[int]] = [[0]]
    for i in range(1, len(dims)):
        if scope.rng.random() < 0.5:
            groups[-1].append(i)
        else:
            groups.append([i])
    if any(_is_empty(scope, dims[i]) for i in range(len(dims))):
        return
    kind = Type(value.type.element, tuple(product([dims[i] for i in g]) for g in groups))
    scope.add("collapse_shape", [value], [kind], groups=groups)


def _is_empty(scope: Scope, dim: Dim) -> bool:
    """Whether the types say 0: MLIR's buffers then have other types than its tensors when free sizes are beside it."""
    return scope.program.fixed(dim) == 0


def expanding(scope: Scope) -> None:
    """Products are split again, fixed sizes by a factor; ones appear anywhere."""
    value = scope.any(1, 3)
    dims: list[Dim] = []
    groups = []
    for dim in value.type.dims:
        parts = _factors(scope, dim)
        if len(dims) + len(parts) < 5 and scope.rng.random() < 0.3:
            parts.insert(scope.rng.randint(0, len(parts)), ONE)
        groups.append(list(range(len(dims), len(dims) + len(parts))))
        dims += parts
    if len(dims) > len(value.type.dims):
        scope.add("expand_shape", [value], [Type(value.type.element, tuple(dims))], groups=groups)


def _factors(scope: Scope, dim: Dim) -> list[Dim]:
    if dim[0] == "*":
        return [dim[1], dim[2]]
    fixed = scope.program.fixed(dim)
    found = [n for n in range(2, 9) if fixed and fixed % n == 0 and fixed > n]
    if not found or scope.rng.random() < 0.3:
        return [dim]
    factor = scope.rng.choice(found)
    return [("c", factor), ("c", fixed // factor if fixed else 1)]


@emits("generate")
def generate(writer: Writer, step: Step) -> None:
    (result,) = step.results
    names = [writer.fresh() for _ in result.type.dims]
    outer, writer.lines = writer.lines, []
    spell = writer.code(step, names)
    body, writer.lines = [*writer.lines, f"tensor.yield {spell(step.attrs['yield'])} : {result.type.element}"], outer
    free = ", ".join(writer.dim(d) for d in result.type.dims if writer.program.is_dynamic(d))
    header = f"^bb0({', '.join(f'{n}: index' for n in names)}):"
    inner = "\n    ".join([header, *body])
    writer.results(step, f"tensor.generate {free} {{\n    {inner}\n  }} : {writer.type(result.type)}")


def generated(scope: Scope) -> None:
    shape = scope.shape(1, 3)
    element = scope.element()
    body = BodyMaker(scope.rng, [(f"a{i}", "index") for i in range(len(shape))])
    result = body.expression(element, 2)
    scope.add("generate", [], [Type(element, shape)], code=body.code, **{"yield": result})


@emits("constant")
def constant(writer: Writer, step: Step) -> None:
    (result,) = step.results
    kind = result.type
    words = {False: "false", True: "true"}
    spelled = [
        words[bool(v)] if kind.element == "i1" else (f"{v:e}" if kind.element in FLOATS else str(v))
        for v in step.attrs["values"]
    ]
    writer.results(step, f"arith.constant dense<[{', '.join(spelled)}]> : {writer.type(kind)}")


def constants(scope: Scope) -> None:
    count = scope.rng.choice([1, 2, 5, 7, 13])
    element = scope.element()
    values = [scope.rng.choice([0, 1, 2, 3, 5, 7]) for _ in range(count)]
    if element in FLOATS:
        values = [v * 0.25 - 1 for v in values]  # type: ignore[misc]
    scope.add("constant", [], [Type(element, (("c", count),))], values=values)


@emits("splat")
def splat(writer: Writer, step: Step) -> None:
    """One element of a value, as a whole tensor."""
    source, (result,) = step.operands[0], step.results
    zero = writer.constant("index", 0)
    places = ", ".join(zero for _ in writer.types[source].dims)
    scalar = writer.define(f"tensor.extract {writer.operand(source)}[{places}] : {writer.kind(source)}")
    free = "".join(
        f"[{', '.join(found)}]"
        for found in [[writer.dim(d) for d in result.type.dims if writer.program.is_dynamic(d)]]
        if found
    )
    writer.results(step, f"tensor.splat {scalar}{free} : {writer.type(result.type)}")


def splatted(scope: Scope) -> None:
    value = scope.any(0, 3)
    needs = [(d, 1) for d in value.type.dims]
    scope.add("splat", [value], [Type(value.type.element, scope.shape(0, 3))], needs=needs)


@emits("from_elements")
def from_elements(writer: Writer, step: Step) -> None:
    """The first elements of values, and sizes of the program, side by side."""
    (result,) = step.results
    zero = writer.constant("index", 0)
    names = []
    for source in step.operands:
        places = ", ".join(zero for _ in writer.types[source].dims)
        names.append(writer.define(f"tensor.extract {writer.operand(source)}[{places}] : {writer.kind(source)}"))
    for dim in step.attrs["dims"]:
        names.append(writer.define(f"arith.index_cast {writer.dim(dim)} : index to {result.type.element}"))
    writer.results(step, f"tensor.from_elements {', '.join(names)} : {writer.type(result.type)}")


def listed(scope: Scope) -> None:
    value = scope.any(0, 2)
    element = value.type.element
    others = [v for v in scope.values if v.type.element == element and len(v.type.dims) <= 2]
    parts = [value, *scope.rng.sample(others, min(len(others), scope.rng.randint(0, 2)))]
    needs = [(d, 1) for v in parts for d in v.type.dims]
    dims = [scope.dim() for _ in range(scope.rng.randint(0, 2))] if element in ("i64", "i32") else []
    kind = Type(element, (("c", len(parts) + len(dims)),))
    scope.add("from_elements", parts, [kind], dims=dims, needs=needs)
