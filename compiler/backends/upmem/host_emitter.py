"""The host's part of a kernel as C: buffers, tensor operations between phases, and per phase the transfers
and the launch.

for each round of at most as many units as there are DPUs:
  fill the argument structures and the staging buffers (rows padded as in MRAM), push them, launch, pull the outputs and
  put them in their place
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from stratagem.compiler.backends.upmem.device_program import DeviceProgram, Phase
from stratagem.compiler.backends.upmem.distribute import Part
from stratagem.compiler.backends.upmem.dtypes import DType, dtype_of
from stratagem.compiler.backends.upmem.geometry import (
    block_of,
    body_operations,
    forall_bounds,
    is_tensor,
    kept_axes,
    slice_of,
    static_shape,
    string_attribute,
    terminator,
)
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.symbols import Index, Variable, product_text
from stratagem.compiler.backends.upmem.tensor_emitter import TensorEmitter, loop_variable
from stratagem.compiler.backends.upmem.views import HOST, Storage, View
from stratagem.compiler.ir import location_text, walk
from stratagem.runtime.errors import UnsupportedError


def entry_name(kernel: str) -> str:
    """The C function of a kernel; the prefix keeps it apart from the names of the C library."""
    return f"run_{c_name(kernel)}"


def c_name(kernel: str) -> str:
    """A kernel's name as part of C names."""
    return re.sub(r"\W", "_", kernel)


class HostEmitter(TensorEmitter):
    """Writes the entry function of one kernel; `program` collects the DPU side meanwhile."""

    def __init__(self, function: Any, program: DeviceProgram) -> None:
        self.function, self.program = function, program
        self.arguments = list(block_of(function).arguments)
        self.names: dict[Any, str] = {}
        self.buffers = 0
        super().__init__(Scope("int64_t", self._shape, self._scalar), {})

    # Arguments ----------------------------------------------------------------------------------------------

    def _shape(self, argument: int, dim: int) -> Variable:
        position = sum(len(static_shape(a)) for a in self.arguments[:argument] if is_tensor(a)) + dim
        return Variable(f"shapes[{position}]", 0)

    def _scalar(self, argument: int, dtype: DType) -> str:
        return f"arg{argument}"

    def _bind_arguments(self) -> None:
        for number, argument in enumerate(self.arguments):
            dtype = dtype_of(argument.type)
            if not is_tensor(argument):
                self.scope.line(f"const {dtype.c} arg{number} = *(const {dtype.c} *)data[{number}];")
                continue
            self.scope.line(f"{dtype.c} *const arg{number} = data[{number}];")
            self.names[argument] = f"arg{number}"
            self.scope.bind(argument, self._dense(f"arg{number}", self._sizes(argument), dtype))

    def _sizes(self, value: Any) -> list[Index]:
        return [self.scope.dimension(value, axis) for axis in range(len(static_shape(value)))]

    def _dense(self, name: str, sizes: Sequence[Index], dtype: DType) -> View:
        extents = tuple(sizes) or (Index(1),)
        strides = [Index(1)]
        for size in reversed(extents[1:]):
            strides.insert(0, self.scope.multiply(strides[0], size))
        storage = Storage(name, HOST, dtype, extents, tuple(strides), tuple(size.high for size in extents))
        return storage.whole() if sizes else View(storage, (Index(0),), (), ())

    # Storage ------------------------------------------------------------------------------------------------

    def _buffer(self, c: str, name: str, count: str) -> None:
        """Memory that the end of the function gives back."""
        self.scope.line(f"{c} *const {name} = buffers[{self.buffers}] = calloc((size_t)({count}), sizeof *{name});")
        self.scope.line(f"SG_NEED({name});")
        self.buffers += 1

    def fresh(self, sizes: Sequence[Index], dtype: DType) -> View:
        name = self.scope.fresh("host")
        self._buffer(dtype.c, name, f"({product_text(sizes)}) + 1")
        return self._dense(name, sizes, dtype)

    def addressable(self, value: Any, view: View, read: bool) -> View:
        return view

    def copy(self, source: View, target: View) -> None:
        self._box(target, source, list(target.sizes))

    def _box(self, target: View, source: View, sizes: list[Index], base: str = "") -> None:
        """sg_copy_box between two views of equal sizes; the last stride must be 1 on both sides."""
        pairs = [(target.axis_stride(a), source.axis_stride(a)) for a in range(target.rank)]
        if not pairs or pairs[-1] != (Index(1), Index(1)):
            pairs.append((Index(1), Index(1)))
            sizes = [*sizes, Index(1)]
        zero = [Index(0)] * target.rank
        strides = [", ".join(p[side].text for p in pairs) for side in (0, 1)]
        into = f"&{base or target.storage.name}[{target.address(zero)}]"
        self.scope.line(
            f"sg_copy_box({into}, (const int64_t[]){{{strides[0]}}}, &{source.element(zero)}, "
            f"(const int64_t[]){{{strides[1]}}}, (const int64_t[]){{{', '.join(s.text for s in sizes)}}}, "
            f"{len(pairs)}, {target.storage.dtype.size});"
        )

    # The kernel ---------------------------------------------------------------------------------------------

    def kernel(self) -> None:
        """The body of the function, results in the destination arguments."""
        self._bind_arguments()
        self.run(body_operations(self.function)[:-1])
        returned = list(terminator(self.function).operands)
        for value, argument in zip(returned, self.arguments[len(self.arguments) - len(returned) :], strict=True):
            source, target = self.placed(value), self.scope.find(argument)
            assert isinstance(target, View)
            if not source.same_place(target):
                self.copy(source, target)

    def forall(self, op: Any) -> None:
        facts = self.program.facts
        tier = string_attribute(op, "device.tier")
        if tier != facts.unit_tier:
            raise UnsupportedError(
                f"the outermost forall is of tier {tier!r}; kernels start with tier {facts.unit_tier!r}",
                hint=f"tile the kernel for {facts.unit_tier!r}, then for {facts.thread_tier!r} inside it",
                location=location_text(op),
            )
        outputs = [self.destination(value, op, read=True) for value in forall_bounds(op).outputs]
        for value, output in zip(forall_bounds(op).outputs, outputs, strict=True):
            self.names.setdefault(value, output.storage.name)
        for value in _captured_tensors(op):
            found = self.scope.find(value)
            if isinstance(found, View):
                self.names.setdefault(value, found.storage.name)
        phase = self.program.add_phase(op, self.names)
        with self.scope.block(""):
            _PhaseWriter(self, phase, outputs).write()
        for result, output in zip(op.results, outputs, strict=True):
            self.scope.bind(result, output)

    def text(self, lines: list[str]) -> str:
        """The entry function around its lines."""
        name = self.program.name
        struct = f"struct {c_name(name)}_arguments"
        count = max(self.buffers, 1)
        return "\n".join(
            [
                self.program.arguments_struct.replace("struct arguments", struct),
                "",
                f"int {entry_name(name)}(void *const *data, const int64_t *shapes, const char *program) {{",
                "  int status = DPU_OK;",
                f"  void *buffers[{count}] = {{NULL}};",
                "  (void)shapes;",
                *lines,
                "finish:",
                f"  for (size_t i = 0; i < {count}; ++i) free(buffers[i]);",
                "  return status;",
                "}",
            ]
        )


def _captured_tensors(op: Any) -> list[Any]:
    return list(dict.fromkeys(v for one in walk(op) for v in one.operands if is_tensor(v)))


class _PhaseWriter:
    """The transfers and the launch of one phase."""

    def __init__(self, host: HostEmitter, phase: Phase, outputs: list[View]) -> None:
        self.host, self.phase, self.outputs = host, phase, outputs
        self.scope = host.scope
        self.name = c_name(host.program.name)

    def write(self) -> None:
        bounds = forall_bounds(self.phase.op)
        entry = self.scope.entry
        ranges = [tuple(map(entry, r)) for r in zip(bounds.lower, bounds.upper, bounds.step, strict=True)]
        counts = [self.scope.divide(high - low, step, up=True) for low, high, step in ranges]
        self.scope.line(f"const int64_t units = {product_text(counts)};")
        self.scope.line(f'SG_TRY(sg_open(units, "{self.name}", program));')
        self.host._buffer(f"struct {self.name}_arguments", "args", "sg_set_size")
        scattered, whole = self._split_inputs()
        for part in [*scattered, *self.phase.distribution.outputs]:
            self.host._buffer("uint8_t", part.name, f"sg_set_size * {self._bytes(part)}")
        for part in whole:
            self._broadcast(part)
        with self.scope.block("for (int64_t base = 0; base < units; base += sg_set_size)"):
            self._fill(ranges, counts, scattered)
            self._push("args", "sizeof *args", to=True)
            for part in [*scattered, *self._sent_outputs()]:
                self._push_part(part, to=True)
            self.scope.line("SG_TRY(dpu_launch(sg_set, DPU_SYNCHRONOUS));")
            for part in self.phase.distribution.outputs:
                self._push_part(part, to=False)
            self._put_back(ranges, counts)

    def _split_inputs(self) -> tuple[list[Part], list[Part]]:
        inputs = self.phase.distribution.inputs
        return [p for p in inputs if p.varies], [p for p in inputs if not p.varies]

    def _sent_outputs(self) -> list[Part]:
        return [p for p in self.phase.distribution.outputs if p.name in self.phase.sent]

    def _bytes(self, part: Part) -> int:
        return self.host.program.arrays.mram[part.name]

    def _staging(self, part: Part, base: str) -> View:
        """The staging buffer of one DPU, seen with the strides of the MRAM array."""
        storage = self.phase.places[part.name]
        small = part.small
        sizes = tuple(self.scope.dimension(small, axis) for axis in range(len(static_shape(small))))
        named = Storage(base, HOST, storage.dtype, sizes or (Index(1),), storage.strides, storage.bounds)
        return named.whole() if sizes else View(named, (Index(0),), (), ())

    def _window(self, part: Part, view: View) -> View:
        """The part of a host tensor that belongs to the DPU at hand."""
        if part.cut is None:
            return view
        where = slice_of(part.cut)
        kept = kept_axes(len(where.sizes), where.sizes, static_shape(part.small))
        steps = [s if isinstance(s, int) else 1 for s in where.strides]
        return view.window(
            [self.scope.entry(o) for o in where.offsets],
            [self.scope.entry(s) for s in where.sizes],
            steps,
            kept,
        )

    def _source(self, part: Part) -> View:
        found = self.host.view(part.value)
        if not isinstance(found, View):
            raise UnsupportedError(f"the kernel reads a tensor that nothing has written: {part.value}")
        return found

    def _broadcast(self, part: Part) -> None:
        self.host._buffer("uint8_t", part.name, str(self._bytes(part)))
        with self.scope.block(""):
            source = self._window(part, self._source(part))
            base = f"(({part.dtype.c} *){part.name})"
            target = self._staging(part, base)
            self.host._box(target, source, list(source.sizes))
        what = f'"{part.name}", 0, {part.name}, {self._bytes(part)}'
        self.scope.line(f"SG_TRY(dpu_broadcast_to(sg_set, {what}, DPU_XFER_DEFAULT));")

    def _fill(self, ranges: list[Any], counts: list[Index], scattered: list[Part]) -> None:
        """Arguments and staged inputs of the units of this round."""
        with self.scope.block("for (int64_t i = 0; i < sg_set_size; ++i)"):
            self.scope.line(f"args[i].phase = {self.phase.number};")
            self.scope.line("args[i].active = base + i < units;")
            self.scope.line("if (!args[i].active) continue;")
            places = self._units(ranges, counts)
            for name, (c, source) in self.host.program.fields.items():
                self.scope.line(f"args[i].{name} = ({c}){self._field(source, places)};")
            for part in scattered:
                self._box_part(part, self._source(part), to=True)
            for part, view in zip(self.phase.distribution.outputs, self.outputs, strict=True):
                if part.name in self.phase.sent:
                    self._box_part(part, view, to=True)

    def _field(self, source: tuple[Any, ...], places: list[str]) -> str:
        """The C expression for a member of the argument structure."""
        if source[0] == "iv":
            return places[source[1]] if source[1] < len(places) else "0"
        if source[0] == "shape":
            return self.host._shape(source[1], source[2]).name
        return f"arg{source[1]}"

    def _units(self, ranges: list[Any], counts: list[Index]) -> list[str]:
        """Writes the induction values of unit `base + i`; returns their names."""
        arguments = list(block_of(self.phase.op).arguments)
        names = []
        for axis, (low, high, step) in enumerate(ranges):
            part = "(base + i)"
            if axis + 1 < len(counts):
                part += f" / {_factor(product_text(counts[axis + 1 :]))}"
            part += f" % {counts[axis]}" if axis else ""
            part += f" * {step}" if step != Index(1) else ""
            names.append(self.scope.fresh("place"))
            start = f"{low} + " if low != Index(0) else ""
            self.scope.line(f"const int64_t {names[-1]} = {start}{part};")
            self.scope.bind(arguments[axis], loop_variable(names[-1], low, high, step))
        return names

    def _box_part(self, part: Part, view: View, to: bool) -> None:
        window = self._window(part, view)
        base = f"(({part.dtype.c} *)({part.name} + i * {self._bytes(part)}))"
        staged = self._staging(part, base)
        target, source = (staged, window) if to else (window, staged)
        self.host._box(target, source, list(window.sizes))

    def _push_part(self, part: Part, to: bool) -> None:
        self._push(part.name, str(self._bytes(part)), to)

    def _push(self, name: str, length: str, to: bool) -> None:
        way = "DPU_XFER_TO_DPU" if to else "DPU_XFER_FROM_DPU"
        self.scope.line(f'SG_TRY(sg_push({way}, "{name}", {name}, {length}, {length}));')

    def _put_back(self, ranges: list[Any], counts: list[Index]) -> None:
        with self.scope.block("for (int64_t i = 0; i < sg_set_size && base + i < units; ++i)"):
            self._units(ranges, counts)
            for part, view in zip(self.phase.distribution.outputs, self.outputs, strict=True):
                self._box_part(part, view, to=False)


def _factor(text: str) -> str:
    return f"({text})" if " " in text else text
