"""The text of one Triton function: lines, names, parameters and the helper functions it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stratagem.compiler.backends.gpu.expressions import Expression
from stratagem.compiler.backends.gpu.plan import Parameter
from stratagem.compiler.backends.gpu.printer.element_types import element_type
from stratagem.compiler.backends.gpu.printer.scalars import Scalar, without_parentheses
from stratagem.compiler.backends.gpu.printer.values import Buffer

INDENT = "    "


class Assertions:
    """The assertions of a kernel: each has a word in a status buffer that the host clears and reads.

    `reserve` makes the buffer, the first time it is needed.
    """

    def __init__(self, reserve: Callable[[], Buffer]) -> None:
        self.messages: list[str] = []
        self._reserve = reserve
        self._buffer: Buffer | None = None

    def buffer(self) -> Buffer:
        """The status buffer."""
        if self._buffer is None:
            self._buffer = self._reserve()
        return self._buffer

    def slot(self, message: str) -> int:
        """The word of a message; equal messages share one."""
        if message not in self.messages:
            self.messages.append(message)
        return self.messages.index(message)


class FunctionWriter:
    """Collects a function from the inside out: the signature and lane numbers are known when the body is
    done.
    """

    def __init__(self, name: str, smallest_extent: int, assertions: Assertions) -> None:
        self.name = name
        self.smallest_extent = smallest_extent
        self._assertions = assertions
        self.helpers: set[str] = set()
        self.stage_bytes = 0
        self.largest_tile = 1
        self._body: list[str] = []
        self._depth = 1
        self._counts: dict[str, int] = {}
        self._lanes: set[int] = set()
        self._pointers: dict[int, Parameter] = {}
        self._numbers: dict[str, Parameter] = {}

    def line(self, text: str) -> None:
        self._body.append(INDENT * self._depth + text)

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._depth += 1
        yield
        self._depth -= 1

    @property
    def depth(self) -> int:
        """Number of loops around the current line."""
        return self._depth - 1

    def fresh(self, prefix: str) -> str:
        number = self._counts.get(prefix, 0)
        self._counts[prefix] = number + 1
        return f"{prefix}{number}"

    def assign(self, prefix: str, text: str) -> str:
        """Writes `name = text` with a new name, which it returns; a bare name is returned as it is."""
        if text.isidentifier():
            return text
        name = self.fresh(prefix)
        self.line(f"{name} = {without_parentheses(text)}")
        return name

    def show(self, scalar: Scalar) -> str:
        """The text of a number; one computed by the host becomes a parameter of the function."""
        if scalar.constant is not None:
            return str(scalar.constant)
        return scalar.text if scalar.host is None else self.number(scalar.host, "i64" if scalar.wide else "i32")

    def number(self, value: Expression, type_name: str) -> str:
        """The parameter that carries a host-computed number of the given Triton type."""
        key = f"{value}:{type_name}"
        if key not in self._numbers:
            name = f"dim{value[1]}_{value[2]}" if isinstance(value, list) and value[0] == "dim" else self.fresh("arg")
            self._numbers[key] = Parameter(name, type_name, value=value)
        return self._numbers[key].name

    def pointer(self, buffer: Buffer, writes: bool = False) -> str:
        """The parameter that points to a buffer, which the function reads or writes."""
        known = self._pointers.get(buffer.index)
        self._pointers[buffer.index] = Parameter(
            buffer.name,
            "*" + element_type(buffer.element).signature,
            buffer=buffer.index,
            reads=not writes or (known is not None and known.reads),
            writes=writes or (known is not None and known.writes),
        )
        return buffer.name

    def assertion(self, message: str) -> tuple[str, int]:
        """Pointer to the kernel's status words and the word that stands for `message`."""
        return self.pointer(self._assertions.buffer(), writes=True), self._assertions.slot(message)

    def lanes(self, extent: int) -> str:
        """The vector 0 .. extent-1."""
        self._lanes.add(extent)
        return f"lane{extent}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Pointers in buffer order, then numbers in order of first use."""
        return (*(self._pointers[i] for i in sorted(self._pointers)), *self._numbers.values())

    def source(self) -> str:
        names = ", ".join(p.name for p in self.parameters)
        head = ["@triton.jit", f"def {self.name}({names}):"]
        lanes = [f"{INDENT}lane{n} = tl.arange(0, {n})" for n in sorted(self._lanes)]
        return "\n".join([*head, *lanes, *self._body]) + "\n"
