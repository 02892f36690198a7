"""A description as MLIR text at level `tensor`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.description import FLOATS, Description, Dim, Input, Shape, Step, Type, Value, bases_of

Emit = Callable[["Writer", Step], None]
EMITTERS: dict[str, Emit] = {}


def emits(*kinds: str) -> Callable[[Emit], Emit]:
    """Registers what writes steps of these kinds."""

    def register(emit: Emit) -> Emit:
        EMITTERS.update(dict.fromkeys(kinds, emit))
        return emit

    return register


class Writer:
    """Sizes and constants stand at the function's head, steps below in order."""

    def __init__(self, program: Description) -> None:
        self.program = program
        self.head: list[str] = []
        self.lines: list[str] = []
        self.names: dict[int, str] = {v.number: f"%a{v.number}" for v in program.inputs}
        self.types: dict[int, Type] = {v.number: v.type for v in program.inputs}
        self._known: dict[Any, str] = {}
        self._count = 0
        for base in range(len(program.bases)):
            if program.bases[base].is_dynamic:
                self._known["b", base] = self._read_base(base)

    def _read_base(self, base: int) -> str:
        """The size of a base that the types leave open, from the first input that has it as a dimension."""
        for value in self.program.inputs:
            for axis, dim in enumerate(value.type.dims):
                if dim == ("b", base):
                    place = self.constant("index", axis)
                    return self.define(f"tensor.dim %a{value.number}, {place} : {self.type(value.type)}", self.head)
        return ""

    def fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def define(self, text: str, where: list[str] | None = None) -> str:
        name = self.fresh()
        (self.lines if where is None else where).append(f"{name} = {text}")
        return name

    def constant(self, element: str, value: Any) -> str:
        key = (element, str(value))
        if key not in self._known:
            literal = (
                {"0": "false", "1": "true"}.get(str(value), str(value)) if element == "i1" else _literal(element, value)
            )
            kind = "" if element == "i1" else f" : {element}"
            self._known[key] = self.define(f"arith.constant {literal}{kind}", self.head)
        return self._known[key]

    def dim(self, dim: Dim) -> str:
        """A size as an SSA index."""
        fixed = self.program.fixed(dim)
        if fixed is not None:
            return self.constant("index", fixed)
        if dim in self._known:
            return self._known[dim]
        if dim[0] == "a":
            text = (
                f"affine.apply affine_map<(d0) -> ((d0 * {dim[2]} + {dim[3]}) floordiv {dim[4]})>({self.dim(dim[1])})"
            )
        else:
            op = "muli" if dim[0] == "*" else "addi"
            text = f"arith.{op} {self.dim(dim[1])}, {self.dim(dim[2])} : index"
        self._known[dim] = self.define(text, self.head)
        return self._known[dim]

    def size(self, dim: Dim) -> str:
        """A size in a list that mixes numbers and SSA values."""
        fixed = self.program.fixed(dim)
        return self.dim(dim) if fixed is None else str(fixed)

    def sizes(self, shape: Sequence[Dim]) -> str:
        return ", ".join(self.size(d) for d in shape)

    def type(self, kind: Type) -> str:
        if kind.shape is None:
            return kind.element
        fixed = ["?" if self.program.is_dynamic(d) else str(self.program.fixed(d)) for d in kind.shape]
        return f"tensor<{'x'.join([*fixed, kind.element])}>"

    def operand(self, number: int) -> str:
        return self.names[number]

    def kind(self, number: int) -> str:
        return self.type(self.types[number])

    def typed(self, numbers: Sequence[int]) -> str:
        """`%a, %b : type, type`."""
        return f"{', '.join(map(self.operand, numbers))} : {', '.join(map(self.kind, numbers))}"

    def empty(self, kind: Type) -> str:
        free = ", ".join(self.dim(d) for d in kind.dims if self.program.is_dynamic(d))
        return self.define(f"tensor.empty({free}) : {self.type(kind)}")

    def filled(self, kind: Type, value: Any) -> str:
        empty, text = self.empty(kind), self.type(kind)
        scalar = self.constant(kind.element, value)
        return self.define(f"linalg.fill ins({scalar} : {kind.element}) outs({empty} : {text}) -> {text}")

    def initial(self, step: Step, kind: Type, init: Any) -> str:
        """A destination: `"empty"`, `{"operand": place}`, or `{"fill": constant}`."""
        if init == "empty":
            return self.empty(kind)
        return self.filled(kind, init["fill"]) if "fill" in init else self.operand(step.operands[init["operand"]])

    def results(self, step: Step, text: str) -> None:
        """Writes `text` as the operation that gives the step's results."""
        name = self.fresh()
        many = len(step.results) > 1
        self.lines.append(f"{name}{f':{len(step.results)}' if many else ''} = {text}")
        for place, value in enumerate(step.results):
            self.bind(value, f"{name}#{place}" if many else name)

    def bind(self, value: Value, name: str) -> None:
        self.names[value.number], self.types[value.number] = name, value.type

    def code(self, step: Step, arguments: Sequence[str]) -> Callable[[str], str]:
        """Writes the instructions of a step's body; the result says how a reference is spelled."""
        known: dict[str, str] = {f"a{i}": name for i, name in enumerate(arguments)}

        def spell(ref: str) -> str:
            if ref.startswith("c:"):
                _, element, value = ref.split(":")
                return self.constant(element, value)
            return self.operand(step.operands[int(ref[1:])]) if ref[0] == "s" else known[ref]

        for place, one in enumerate(step.attrs["code"]):
            known[f"t{place}"] = self._instruction(step, one, [spell(a) for a in one["args"]])
        return spell

    def _instruction(self, step: Step, one: dict[str, Any], args: list[str]) -> str:
        form, op, kind, to = one["form"], one["op"], one["type"], one["to"]
        listed = ", ".join(args)
        if form == "dim":
            return self.dim(one["dim"])
        if form == "index":
            return self.define(f"linalg.index {one['n']} : index")
        if form == "compare":
            return self.define(f"{op} {one['how']}, {listed} : {kind}")
        if form == "cast":
            return self.define(f"{op} {listed} : {kind} to {to}")
        if form == "extract":
            table = step.operands[one["operand"]]
            return self.define(f"tensor.extract {self.operand(table)}[{listed}] : {self.kind(table)}")
        return self.define(f"{op} {listed} : {kind}")

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            EMITTERS[step.kind](self, step)


def _literal(element: str, value: Any) -> str:
    if element not in FLOATS:
        return str(int(value))
    special = {"inf": {"f64": "0x7FF0000000000000", "f32": "0x7F800000", "f16": "0x7C00", "bf16": "0x7F80"}}
    special["-inf"] = {"f64": "0xFFF0000000000000", "f32": "0xFF800000", "f16": "0xFC00", "bf16": "0xFF80"}
    return special[str(value)][element] if str(value) in special else f"{float(value):e}"


def unread_bases(program: Description) -> set[int]:
    """Dynamic bases that no input has as a dimension of its own: nothing says their size when the program runs."""
    readable = {d[1] for v in program.inputs for d in v.type.dims if d[0] == "b"}
    used = {b for v in program.inputs for d in v.type.dims for b in bases_of(d)}
    used |= {b for s in program.all_steps() for b in bases_in(s)}
    return {b for b in used if program.bases[b].is_dynamic} - readable


def bases_in(step: Step) -> set[int]:
    shapes: list[Shape] = [v.type.dims for v in [*step.results, *(a for r in step.regions for a in r.arguments)]]
    return {b for shape in shapes for d in shape for b in bases_of(d)} | set(_bases_of_data([step.attrs, step.needs]))


def _bases_of_data(data: Any) -> set[int]:
    """Bases named anywhere in a step's attributes."""
    if isinstance(data, dict):
        return set().union(*(_bases_of_data(v) for v in data.values()))
    if isinstance(data, tuple) and len(data) == 2 and data[0] == "b":
        return {data[1]}
    if isinstance(data, list | tuple):
        return set().union(*(_bases_of_data(v) for v in data))
    return set()


def to_mlir(program: Description) -> str:
    """The program's module, as text."""
    writer = Writer(program)
    writer.steps(program.steps)
    ordered = [v for v in program.inputs if not v.is_parameter] + [v for v in program.inputs if v.is_parameter]
    arguments = ", ".join(f"%a{v.number}: {writer.type(v.type)} {_argument(v)}" for v in ordered)
    names = [writer.operand(o.number) for o in program.outputs]
    kinds = [writer.kind(o.number) for o in program.outputs]
    outputs = ", ".join(
        f"{kind} {_port('model.output', f'y{i}', o.is_unsigned)}"
        for i, (kind, o) in enumerate(zip(kinds, program.outputs, strict=True))
    )
    body = "\n  ".join([*writer.head, *writer.lines, f"return {', '.join(names)} : {', '.join(kinds)}"])
    head = 'module attributes {stratagem.level = "tensor"} {'
    return f"{head}\nfunc.func @main({arguments}) -> ({outputs}) {{\n  {body}\n}}\n}}\n"


def _argument(value: Input) -> str:
    return _port("model.param" if value.is_parameter else "model.input", f"x{value.number}", value.is_unsigned)


def _port(key: str, name: str, is_unsigned: bool) -> str:
    return f'{{{key} = "{name}"' + (", model.unsigned}" if is_unsigned else "}")
