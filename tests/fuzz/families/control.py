"""`scf.if`, `scf.for` and `scf.while` around a few operations."""

from __future__ import annotations

from tests.fuzz.description import FLOATS, Region, Step, Type, Value
from tests.fuzz.scope import Scope
from tests.fuzz.text import Writer, emits

DEEPEST = 2


def _of_type(inner: Scope, kind: Type, outer: Value) -> Value:
    """The last value of this type that the region made; what it began with where it made none."""
    made = {v.number for s in inner.steps for v in s.results}
    return next((v for v in reversed(inner.values) if v.type == kind and v.number in made), outer)


def _carried(scope: Scope) -> list[Value]:
    return [scope.any(0, 3) for _ in range(scope.rng.choice([1, 1, 2]))]


def _choose_body(scope: Scope, carried: list[Value], arguments: list[Value]) -> Region:
    inner = scope.inner(arguments)
    for _ in range(scope.rng.randint(1, 3)):
        inner.draw(inner)
    tensors = [v for v in arguments if v.type.shape is not None] or carried
    yields = [_of_type(inner, v.type, v) for v in tensors]
    return scope.region(inner, arguments, yields)


def branch(scope: Scope) -> None:
    """The condition is one element of a value."""
    tested = scope.any(0, 2)
    needs = [(d, 1) for d in tested.type.dims]
    results = _carried(scope)
    regions = [_choose_body(scope, results, []) for _ in range(2)]
    scope.add("if", [tested], [v.type for v in results], regions=regions, needs=needs)


@emits("if")
def emit_if(writer: Writer, step: Step) -> None:
    tested = step.operands[0]
    zero = writer.constant("index", 0)
    places = ", ".join(zero for _ in writer.types[tested].dims)
    condition = writer.define(f"tensor.extract {writer.operand(tested)}[{places}] : {writer.kind(tested)}")
    element = writer.types[tested].element
    if element != "i1":
        test = "arith.cmpf ogt" if element in FLOATS else "arith.cmpi sgt"
        condition = writer.define(f"{test}, {condition}, {writer.constant(element, 0)} : {element}")
    then, other = (_block(writer, region, "scf.yield") for region in step.regions)
    types = ", ".join(writer.type(v.type) for v in step.results)
    writer.results(step, f"scf.if {condition} -> ({types}) {{\n    {then}\n  }} else {{\n    {other}\n  }}")


def _block(writer: Writer, region: Region, end: str, prefix: str = "") -> str:
    outer, writer.lines = writer.lines, []
    writer.steps(region.steps)
    names = [writer.operand(n) for n in region.yields]
    types = [writer.kind(n) for n in region.yields]
    if prefix:
        names, types = [prefix, *names], ["index", *types]
    lines, writer.lines = [*writer.lines, f"{end} {', '.join(names)} : {', '.join(types)}"], outer
    return "\n    ".join(lines)


def loop(scope: Scope) -> None:
    carried = _carried(scope)
    counter = Value(scope.number(), Type("index", None))
    arguments = [counter, *(Value(scope.number(), v.type) for v in carried)]
    region = _choose_body(scope, carried, arguments)
    times = scope.rng.choice([0, 1, 2, 3])
    limit = scope.dim() if scope.rng.random() < 0.3 else ("c", times)
    if scope.size(limit) > 13:
        limit = ("c", times)
    step = scope.rng.choice([1, 1, 2])
    scope.add("for", carried, [v.type for v in carried], regions=[region], limit=limit, step=step)


@emits("for")
def emit_for(writer: Writer, step: Step) -> None:
    region = step.regions[0]
    counter, *arguments = region.arguments
    low, high, stride = (
        writer.constant("index", 0),
        writer.dim(step.attrs["limit"]),
        writer.constant("index", step.attrs["step"]),
    )
    for value in region.arguments:
        writer.bind(value, writer.fresh())
    pairs = zip(arguments, step.operands, strict=True)
    carried = ", ".join(f"{writer.operand(a.number)} = {writer.operand(o)}" for a, o in pairs)
    types = ", ".join(writer.type(v.type) for v in step.results)
    body = _block(writer, region, "scf.yield")
    head = f"scf.for {writer.operand(counter.number)} = {low} to {high} step {stride}"
    writer.results(step, f"{head} iter_args({carried}) -> ({types}) {{\n    {body}\n  }}")


def repeat(scope: Scope) -> None:
    """A while loop: it ends after some rounds, or when an element of the first carried value says so."""
    carried = _carried(scope)
    watched = carried[0].type
    data = watched.element != "i1" and all(scope.size(d) >= 1 for d in watched.dims) and scope.rng.random() < 0.5
    counter = Value(scope.number(), Type("index", None))
    arguments = [counter, *(Value(scope.number(), v.type) for v in carried)]
    region = _choose_body(scope, carried, arguments)
    needs = [(d, 1) for d in watched.dims] if data else []
    rounds = scope.rng.randint(0, 3)
    scope.add("while", carried, [v.type for v in carried], regions=[region], rounds=rounds, data=data, needs=needs)


@emits("while")
def emit_while(writer: Writer, step: Step) -> None:
    region = step.regions[0]
    types = ["index", *(writer.type(v.type) for v in step.results)]
    zero, one = writer.constant("index", 0), writer.constant("index", 1)
    before = [writer.fresh() for _ in types]
    given = [zero, *map(writer.operand, step.operands)]
    outer, writer.lines = writer.lines, []
    go = writer.define(f"arith.cmpi ult, {before[0]}, {writer.constant('index', step.attrs['rounds'])} : index")
    if step.attrs["data"]:
        kind = step.results[0].type
        element = kind.element
        taken = writer.define(f"tensor.extract {before[1]}[{', '.join(zero for _ in kind.dims)}] : {writer.type(kind)}")
        test = "arith.cmpf olt" if element in FLOATS else "arith.cmpi slt"
        small = writer.define(f"{test}, {taken}, {writer.constant(element, 3)} : {element}")
        go = writer.define(f"arith.andi {go}, {small} : i1")
    listed = ", ".join(types)
    first = "\n    ".join([*writer.lines, f"scf.condition({go}) {', '.join(before)} : {listed}"])
    writer.lines = []
    for value in region.arguments:
        writer.bind(value, writer.fresh())
    names = [writer.operand(v.number) for v in region.arguments]
    following = writer.define(f"arith.addi {names[0]}, {one} : index")
    head, writer.lines = "\n    ".join(writer.lines), outer
    body = _block(writer, region, "scf.yield", following)
    pairs = ", ".join(f"{b} = {g}" for b, g in zip(before, given, strict=True))
    block = ", ".join(f"{n}: {t}" for n, t in zip(names, types, strict=True))
    name = writer.fresh()
    writer.lines.append(
        f"{name}:{len(types)} = scf.while ({pairs}) : ({listed}) -> ({listed}) {{\n    {first}\n  }} do {{\n"
        f"  ^bb0({block}):\n    {head}\n    {body}\n  }}"
    )
    for place, value in enumerate(step.results):
        writer.bind(value, f"{name}#{place + 1}")
