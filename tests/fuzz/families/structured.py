"""`linalg.generic`: elementwise, reductions, contractions, windows and gathers, with maps of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fuzz.body import BodyMaker
from tests.fuzz.description import FLOATS, ONE, Dim, Step, Type, Value, affine
from tests.fuzz.scope import Scope
from tests.fuzz.text import Writer, emits

Map = list[dict[str, Any]]
SUMS = {"add": 0, "mul": 1}
EXTREMES = {"maximumf": "-inf", "minimumf": "inf"}
INTEGER_COMBINES = {"addi": 0, "muli": 1, "andi": -1, "ori": 0, "xori": 0, "maxui": 0, "minui": -1}


def plain(loop: int) -> dict[str, Any]:
    """The map's result that is one loop."""
    return {"terms": [(1, loop)], "plus": 0}


def _spelled(one: dict[str, Any]) -> str:
    terms = [f"d{loop}" if times == 1 else f"d{loop} * {times}" for times, loop in one["terms"]]
    if one["plus"] or not terms:
        terms.append(str(one["plus"]))
    return " + ".join(terms)


def _map(loops: int, results: Map) -> str:
    return f"affine_map<({', '.join(f'd{i}' for i in range(loops))}) -> ({', '.join(map(_spelled, results))})>"


@emits("generic")
def generic(writer: Writer, step: Step) -> None:
    attrs = step.attrs
    ins = step.operands[: attrs["ins"]]
    inits = [writer.initial(step, v.type, i) for v, i in zip(step.results, attrs["inits"], strict=True)]
    maps = ", ".join(_map(len(attrs["loops"]), m) for m in attrs["maps"])
    kinds = ", ".join({"p": '"parallel"', "r": '"reduction"'}[k] for k in attrs["kinds"])
    elements = [writer.types[n].element for n in ins] + [v.type.element for v in step.results]
    names = [writer.fresh() for _ in elements]
    outer, writer.lines = writer.lines, []
    spell = writer.code(step, names)
    yields = ", ".join(spell(y) for y in attrs["yields"])
    outs = ", ".join(v.type.element for v in step.results)
    body, writer.lines = [*writer.lines, f"linalg.yield {yields} : {outs}"], outer
    header = ", ".join(f"{n}: {e}" for n, e in zip(names, elements, strict=True))
    types = ", ".join(writer.type(v.type) for v in step.results)
    given = f"ins({writer.typed(ins)}) " if ins else ""
    inner = "\n    ".join([f"^bb0({header}):", *body])
    ends = types if len(step.results) == 1 else f"({types})"
    writer.results(
        step,
        f"linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}} {given}"
        f"outs({', '.join(inits)} : {types}) {{\n    {inner}\n  }} -> {ends}",
    )


class Nest:
    """A structured operation being drawn: loops, operands with their maps, and what it needs."""

    def __init__(self, scope: Scope, loops: Sequence[Dim]) -> None:
        self.scope, self.rng, self.loops = scope, scope.rng, list(loops)
        self.operands: list[Value] = []
        self.maps: list[Map] = []
        self.needs: list[tuple[Dim, int]] = []

    def read(self, value: Value, results: Map) -> None:
        self.operands.append(value)
        self.maps.append(results)

    def read_something(self) -> None:
        """A value whose dimensions are loops, in any order and perhaps not all; else an input made for the purpose."""
        for _ in range(4):
            value = self.scope.value()
            found = None if value is None else self._embedding(value.type)
            if value is not None and found is not None and self.rng.random() < 0.8:
                return self.read(value, found)
        order = self.rng.sample(range(len(self.loops)), self.rng.randint(0, len(self.loops)))
        pairs = [self._access(loop) for loop in order]
        kind = Type(self.scope.element(), tuple(dim for dim, _ in pairs))
        if not self.scope.fits(kind.dims):
            order = order[:1]
            pairs = [(self.loops[loop], plain(loop)) for loop in order]
            kind = Type(kind.element, tuple(dim for dim, _ in pairs))
        self.read(self.scope.of_type(kind), [one for _, one in pairs])
        return None

    def _access(self, loop: int) -> tuple[Dim, dict[str, Any]]:
        """A dimension of an operand that is read along `loop`: mostly as it is, else strided, shifted, backwards, or
        of one element for all.
        """
        dim, pick = self.loops[loop], self.rng.random()
        fixed = self.scope.program.fixed(dim)
        if pick < 0.8:
            return dim, plain(loop)
        if pick < 0.87:
            return ONE, {"terms": [], "plus": 0}
        if pick < 0.92:
            return affine(dim, 2), {"terms": [(2, loop)], "plus": self.rng.randint(0, 1)}
        if pick < 0.97 or not fixed:
            shift = self.rng.randint(1, 3)
            self.needs.append((dim, 1))
            return affine(dim, 1, shift), {"terms": [(1, loop)], "plus": self.rng.randint(1, shift)}
        return ("c", fixed), {"terms": [(-1, loop)], "plus": fixed - 1}

    def _embedding(self, kind: Type) -> Map | None:
        free = list(range(len(self.loops)))
        self.rng.shuffle(free)
        results: Map = []
        for dim in kind.dims:
            fitting = [loop for loop in free if self.loops[loop] == dim]
            if not fitting and dim == ONE:
                results.append({"terms": [], "plus": 0})
                continue
            if not fitting:
                return None
            free.remove(fitting[0])
            results.append(plain(fitting[0]))
        return results

    def maker(self, outs: Sequence[str] = ()) -> BodyMaker:
        """A body whose arguments are the operands' elements, and those of the results that it may read."""
        elements = [v.type.element for v in self.operands]
        arguments = [(f"a{i}", e) for i, e in enumerate(elements)]
        arguments += [(f"a{len(elements) + i}", e) for i, e in enumerate(outs) if e]
        maker = BodyMaker(self.rng, arguments, len(self.loops))
        for place, _number in enumerate(self.scope.scalars):
            maker.arguments.append((f"s{len(elements) + place}", "index"))
        return maker

    def finish(
        self,
        body: BodyMaker,
        outs: Sequence[tuple[str, Sequence[int]]],
        kinds: str,
        inits: Sequence[Any],
        yields: Sequence[str],
    ) -> list[Value]:
        """Adds the operation. `outs`: element type and loops of each result; an init may be a Value."""
        types = [Type(e, tuple(self.loops[i] for i in order)) for e, order in outs]
        scalars = [Value(n, Type("index", None)) for n in self.scope.scalars]
        operands = [*self.operands, *scalars, *body.tables]
        placed = []
        for init in inits:
            if isinstance(init, Value):
                placed.append({"operand": len(operands)})
                operands.append(init)
            else:
                placed.append(init)
        maps = [*self.maps, *([plain(i) for i in order] for _, order in outs)]
        return self.scope.add(
            "generic", operands, types, ins=len(self.operands), loops=tuple(self.loops), maps=maps, kinds=kinds,
            inits=placed, code=body.code, yields=list(yields), needs=self.needs,
        )  # fmt: skip


def _loops(scope: Scope, least: int, most: int) -> list[Dim] | None:
    """Loops over the shape of a value there is, or over a new shape."""
    value = scope.value(lambda t: least <= len(t.dims) <= most)
    loops = list(value.type.dims) if value and scope.rng.random() < 0.8 else list(scope.shape(least, most))
    scope.rng.shuffle(loops)
    return loops if scope.fits(loops, loops) else None


def elementwise(scope: Scope) -> None:
    rng, loops = scope.rng, _loops(scope, 0, 4)
    if loops is None:
        return
    nest = Nest(scope, loops)
    for _ in range(rng.choice([1, 1, 2, 2, 3])):
        nest.read_something()
    orders = [rng.sample(range(len(loops)), len(loops)) for _ in range(rng.choice([1, 1, 1, 2]))]
    elements = [nest.operands[0].type.element if rng.random() < 0.5 else scope.element() for _ in orders]
    elements = ["i1" if rng.random() < 0.06 else e for e in elements]
    inits: list[Any] = ["empty"] * len(orders)
    read = [""] * len(orders)
    if rng.random() < 0.2:
        kind = Type(elements[0], tuple(loops[i] for i in orders[0]))
        inits[0], read[0] = (scope.of_type(kind) if rng.random() < 0.7 else {"fill": 1}), elements[0]
    body = nest.maker(read)
    yields = [body.expression(e, rng.randint(1, 3)) for e in elements]
    nest.finish(body, list(zip(elements, orders, strict=True)), "p" * len(loops), inits, yields)


def reduction(scope: Scope) -> None:
    rng, loops = scope.rng, _loops(scope, 1, 4)
    if loops is None:
        return
    nest = Nest(scope, loops)
    for _ in range(rng.choice([1, 1, 2])):
        nest.read_something()
    covered = {
        t[1]
        for m in nest.maps
        for one in m
        for t in one["terms"]
        if len(one["terms"]) == 1 and t[0] == 1 and not one["plus"]
    }
    missing = [i for i in range(len(loops)) if i not in covered]
    if missing:
        nest.read(scope.of_type(Type(scope.element(), tuple(loops[i] for i in missing))), [plain(i) for i in missing])
    reduced = set(rng.sample(range(len(loops)), rng.randint(1, min(3, len(loops)))))
    kept = [i for i in range(len(loops)) if i not in reduced]
    kinds = "".join("r" if i in reduced else "p" for i in range(len(loops)))
    orders = [rng.sample(kept, len(kept)) for _ in range(rng.choice([1, 1, 1, 2]))]
    elements = [nest.operands[0].type.element if rng.random() < 0.6 else scope.element() for _ in orders]
    body = nest.maker()
    yields, inits = [], []
    for place, element in enumerate(elements):
        op, start = _combine(scope, element)
        new = body.expression(element, rng.randint(0, 2))
        old = f"a{len(nest.operands) + place}"
        pair = [new, old] if rng.random() < 0.5 else [old, new]
        yields.append(body.add("plain", f"arith.{op}", element, pair))
        kind = Type(element, tuple(loops[i] for i in orders[place]))
        inits.append({"fill": start} if rng.random() < 0.8 else scope.of_type(kind))
    nest.finish(body, list(zip(elements, orders, strict=True)), kinds, inits, yields)


def _combine(scope: Scope, element: str) -> tuple[str, Any]:
    if element in FLOATS:
        return scope.rng.choice(
            [("addf", 0.0), ("addf", 0.0), ("mulf", 1.0), ("maximumf", "-inf"), ("minimumf", "inf")]
        )
    if element == "i1":
        return scope.rng.choice([("andi", 1), ("ori", 0), ("xori", 0)])
    bits = {"i8": 7, "i16": 15, "i32": 31}.get(element, 63)
    signed = [("maxsi", -(2**bits)), ("minsi", 2**bits - 1)]
    return scope.rng.choice([*INTEGER_COMBINES.items(), ("addi", 0), *signed])


def argmax(scope: Scope) -> None:
    """The largest value and its index along one loop, as front ends write it."""
    rng, loops = scope.rng, _loops(scope, 1, 3)
    if loops is None:
        return
    element, counter = scope.element(), rng.choice(["i64", "i32"])
    along = rng.randrange(len(loops))
    kept = [i for i in range(len(loops)) if i != along]
    nest = Nest(scope, loops)
    nest.read(scope.of_type(Type(element, tuple(loops))), [plain(i) for i in range(len(loops))])
    body = BodyMaker(rng, [])
    place = body.cast(body.add("index", "linalg.index", "index", [], n=along), "index", counter)
    tests = (
        ("arith.cmpf", rng.choice(["ogt", "olt"])) if element in FLOATS else ("arith.cmpi", rng.choice(["sgt", "ult"]))
    )
    better = body.add("compare", tests[0], element, ["a0", "a1"], "i1", how=tests[1])
    yields = [body.select(better, "a0", "a1", element), body.select(better, place, "a2", counter)]
    worst = ("-inf" if tests[1] == "ogt" else "inf") if element in FLOATS else {"i1": 0}.get(element, -(2**7))
    kinds = "".join("r" if i == along else "p" for i in range(len(loops)))
    nest.finish(body, [(element, kept), (counter, kept)], kinds, [{"fill": worst}, {"fill": 0}], yields)


def gather(scope: Scope) -> None:
    """Elements of a table at computed indices: brought into range by a remainder or by clamping."""
    rng = scope.rng
    table = scope.any(1, 3)
    loops = _loops(scope, 0, 3)
    if loops is None:
        return
    nest = Nest(scope, loops)
    kind = Type(rng.choice(["i64", "i32", "i8"]), tuple(loops))
    nest.read(scope.of_type(kind), [plain(i) for i in range(len(loops))])
    body = nest.maker()
    places = []
    for dim in table.type.dims:
        any_index = body.expression("index", 1)
        size = body.size(dim)
        if rng.random() < 0.5:
            places.append(body.add("plain", "arith.remui", "index", [any_index, size]))
            continue
        last = body.add("plain", "arith.subi", "index", [size, "c:index:1"])
        low = body.add("plain", "arith.maxsi", "index", [any_index, "c:index:0"])
        places.append(body.add("plain", "arith.minsi", "index", [low, last]))
    nest.needs = [(dim, 1) for dim in table.type.dims]
    body.tables.append(table)
    element = table.type.element
    taken = body.add("extract", "", element, places, operand=len(nest.operands) + len(scope.scalars))
    order = rng.sample(range(len(loops)), len(loops))
    nest.finish(body, [(element, order)], "p" * len(loops), ["empty"], [taken])


def contraction(scope: Scope) -> None:
    """A sum of products over any loops, perhaps along a sliding window, perhaps in a wider type."""
    rng = scope.rng
    loops = list(scope.shape(2, 4))
    parallel = sorted(rng.sample(range(len(loops)), rng.randint(0, len(loops) - 1)))
    first = [i for i in range(len(loops)) if rng.random() < 0.7]
    second = [i for i in range(len(loops)) if i not in first or rng.random() < 0.5]
    if not scope.fits([loops[i] for i in parallel], loops) or not all(
        scope.fits([loops[i] for i in o]) for o in (first, second)
    ):
        return
    nest = Nest(scope, loops)
    element = scope.element()
    for order in (first, second):
        rng.shuffle(order)
        kind = Type(element, tuple(loops[i] for i in order))
        results = [plain(i) for i in order]
        if order is first and len(second) > 1 and rng.random() < 0.3:
            kind, results = _with_window(nest, kind, results, first, second, parallel)
        nest.read(scope.of_type(kind), results)
    wide = {"f16": "f32", "bf16": "f32", "i8": "i32", "i16": "i64", "i32": "i64"}.get(element, element)
    result = wide if rng.random() < 0.4 else element
    body = BodyMaker(rng, [])
    left, right = (body.cast(a, element, result) for a in ("a0", "a1"))
    times, plus = ("arith.mulf", "arith.addf") if result in FLOATS else ("arith.muli", "arith.addi")
    if result == "i1":
        times, plus = "arith.andi", "arith.ori"
    total = body.add("plain", plus, result, ["a2", body.add("plain", times, result, [left, right])])
    kinds = "".join("p" if i in parallel else "r" for i in range(len(loops)))
    init = {"fill": 0} if rng.random() < 0.85 else scope.of_type(Type(result, tuple(loops[i] for i in parallel)))
    rng.shuffle(parallel)
    if not isinstance(init, dict):
        parallel.sort()
    nest.finish(body, [(result, parallel)], kinds, [init], [total])


def _with_window(
    nest: Nest, kind: Type, results: Map, first: list[int], second: list[int], parallel: list[int]
) -> tuple[Type, Map]:
    """One more dimension of the first operand: an outer loop that steps, an inner one that slides. Both loops keep a
    plain dimension elsewhere, so that every loop has a size.
    """
    outer = [i for i in parallel if i not in first]
    inner = [i for i in second if i not in first and i not in parallel]
    if not outer or not inner:
        return kind, results
    out, slide = nest.rng.choice(outer), nest.rng.choice(inner)
    step, gap = nest.rng.randint(1, 3), nest.rng.randint(1, 2)
    span: Dim = ("+", affine(nest.loops[out], step, -step), affine(nest.loops[slide], gap, 1 - gap))
    window = {"terms": [(step, out), (gap, slide)], "plus": 0}
    nest.needs += [(nest.loops[out], 1), (nest.loops[slide], 1)]
    return Type(kind.element, (*kind.dims, span)), [*results, window]
