"""`tm_tensor`: running combinations, sorting, the k largest, scattering."""

from __future__ import annotations

from tests.fuzz.description import FLOATS, Dim, Step, Type
from tests.fuzz.scope import Scope
from tests.fuzz.text import Writer, emits


def _outs(writer: Writer, step: Step, skip: int) -> tuple[str, str]:
    """Destinations with their types; and the result types."""
    types = [writer.type(v.type) for v in step.results]
    inits = [writer.initial(step, v.type, i) for v, i in zip(step.results, step.attrs["inits"], strict=True)]
    return f"outs({', '.join(inits)} : {', '.join(types)})", ", ".join(types)


@emits("scan", "sort", "topk", "scatter")
def ordered(writer: Writer, step: Step) -> None:
    attrs = step.attrs
    outs, types = _outs(writer, step, 0)
    ins = f"ins({writer.typed(step.operands[: attrs['ins']])}) " if attrs["ins"] else ""
    names = [writer.fresh() for _ in attrs["arguments"]]
    header = ", ".join(f"{n}: {e}" for n, e in zip(names, attrs["arguments"], strict=True))
    outer, writer.lines = writer.lines, []
    spell = writer.code(step, names)
    kind = attrs["yields"]
    body, writer.lines = [*writer.lines, f"tm_tensor.yield {spell(attrs['yield'])} : {kind}"], outer
    inner = "\n    ".join([f"^bb0({header}):", *body])
    writer.results(step, f"tm_tensor.{step.kind} {attrs['text']} {ins}{outs} {{\n    {inner}\n  }} -> {types}")


def _binary(op: str, element: str) -> list[dict[str, object]]:
    return [{"form": "plain", "op": f"arith.{op}", "type": element, "to": element, "args": ["a0", "a1"]}]


def scan(scope: Scope) -> None:
    rng, value = scope.rng, scope.any(1, 3)
    element, dims = value.type.element, value.type.dims
    axis = rng.randrange(len(dims))
    op, start = rng.choice(
        [("addf", 0), ("mulf", 1), ("maximumf", "-inf")]
        if element in FLOATS
        else [("addi", 0), ("muli", 1), ("xori", 0)]
    )
    rest = Type(element, (*dims[:axis], *dims[axis + 1 :]))
    inclusive = rng.choice(["true", "false"])
    results = [value.type, rest]
    inits = ["empty", {"fill": start}]
    scope.add(
        "scan", [value], results, ins=1, inits=inits, arguments=[element, element], code=_binary(op, element),
        text=f"dimension({axis}) inclusive({inclusive})", yields=element, needs=[(dims[axis], 1)], **{"yield": "t0"},
    )  # fmt: skip


def _test(element: str, how: str) -> list[dict[str, object]]:
    op, how = ("arith.cmpf", f"o{how}") if element in FLOATS else ("arith.cmpi", f"s{how}")
    return [{"form": "compare", "op": op, "how": how, "type": element, "to": "i1", "args": ["a0", "a1"]}]


def sort(scope: Scope) -> None:
    """Keys, and a payload that moves with them."""
    rng, value = scope.rng, scope.any(1, 3)
    element, dims = value.type.element, value.type.dims
    if element == "i1":
        return
    axis = rng.randrange(len(dims))
    operands, kinds = [value], [value.type]
    if rng.random() < 0.6:
        payload = scope.of_type(Type(rng.choice(["i64", "i32", "f32"]), dims))
        operands.append(payload)
        kinds.append(payload.type)
    arguments = [k.element for k in kinds for _ in range(2)]
    inits = [{"operand": i} for i in range(len(operands))]
    scope.add(
        "sort", operands, kinds, ins=0, inits=inits, arguments=arguments, code=_test(element, rng.choice(["le", "ge"])),
        text=f"dimension({axis})", yields="i1", **{"yield": "t0"},
    )  # fmt: skip


def topk(scope: Scope) -> None:
    rng, value = scope.rng, scope.any(1, 3)
    element, dims = value.type.element, value.type.dims
    if element == "i1":
        return
    axis, count = rng.randrange(len(dims)), rng.randint(1, 3)
    if scope.size(dims[axis]) < count:
        return
    shape = (*dims[:axis], ("c", count), *dims[axis + 1 :])
    how = rng.choice(["lt", "gt"])
    low = -(2 ** ({"i8": 7, "i16": 15, "i32": 31}.get(element, 63)))
    worst = ("inf" if how == "lt" else "-inf") if element in FLOATS else (-(low + 1) if how == "lt" else low)
    scope.add(
        "topk", [value], [Type(element, shape), Type("i32", shape)], ins=1, inits=[{"fill": worst}, {"fill": 0}],
        arguments=[element, element], code=_test(element, how), text=f"dimension({axis})", yields="i1",
        needs=[(dims[axis], count)], **{"yield": "t0"},
    )  # fmt: skip


def scatter(scope: Scope) -> None:
    """Rows of updates, put or added where computed rows of a table say."""
    rng, table = scope.rng, scope.any(1, 3)
    element, (first, *rest) = table.type.element, table.type.dims
    rows: Dim = scope.dim()
    if not scope.fits((rows, *rest)) or scope.size(first) < 1 or element == "i1":
        return
    updates = scope.of_type(Type(element, (rows, *rest)))
    source = scope.of_type(Type("i32", (rows,)))
    (places,) = scope.add("rows", [source], [Type("i32", (rows, ("c", 1)))], dim=first, needs=[(first, 1)])
    op = "addf" if element in FLOATS else rng.choice(["addi", "maxsi", "xori"])
    code = _binary(op, element)
    put = rng.random() < 0.4
    operands = [updates, places, table]
    scope.add(
        "scatter", operands, [table.type], ins=2, inits=[{"operand": 2}], arguments=[element, element],
        code=[] if put else code, text="{dimension_map = array<i64: 0>} unique_indices(false)", yields=element,
        **{"yield": "a0" if put else "t0"},
    )  # fmt: skip


@emits("rows")
def rows(writer: Writer, step: Step) -> None:
    """Any integers, brought into the range of a dimension, one per row."""
    source, (result,) = step.operands[0], step.results
    size = writer.define(f"arith.index_cast {writer.dim(step.attrs['dim'])} : index to i32")
    kind, count = writer.type(result.type), writer.types[source].dims[0]
    empty = writer.empty(result.type)
    value, old, rest = writer.fresh(), writer.fresh(), writer.fresh()
    maps = "[affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>]"
    writer.results(
        step,
        f'linalg.generic {{indexing_maps = {maps}, iterator_types = ["parallel", "parallel"]}} '
        f"ins({writer.operand(source)} : {writer.type(Type('i32', (count,)))}) outs({empty} : {kind}) {{\n"
        f"    ^bb0({value}: i32, {old}: i32):\n    {rest} = arith.remui {value}, {size} : i32\n"
        f"    linalg.yield {rest} : i32\n  }} -> {kind}",
    )
