"""Elements that a phase of a kernel touches, as isl sets and maps over its units, for the sizes that callers pass."""

from __future__ import annotations

from typing import Any

import islpy as isl
from torch_mlir import ir

from stratagem.compiler.checks.index_reader import is_size, meaning
from stratagem.compiler.checks.kernel_accesses import Access, Phase


class AccessSets:
    """Sets and maps of one phase. `possible`: the kernel's sizes that some caller passes, as an isl set of
    parameters."""

    def __init__(self, phase: Phase, possible: Any) -> None:
        self.phase = phase
        self._possible = possible
        self._outer = [loop.name for loop in phase.outer]

    def outside(self, accesses: list[Access]) -> tuple[Any, Any] | None:
        """What one of the accesses touches outside of its tensor, empty if none does, and its operation; None without
        accesses."""
        found = None
        for access in accesses:
            found = self.touched(access).subtract(self.inside(access)).wrap(), access.op
            if not found[0].is_empty():
                break
        return found

    def touched(self, access: Access) -> Any:
        """All loop iterations -> elements of the tensor the slice lies in."""
        return self._map(access, self._variables(access))

    def inside(self, access: Access) -> Any:
        """All loop iterations -> all elements of that tensor: its size may depend on the iteration."""
        loops = [loop.domain() for loop in access.loops if loop.name not in self._outer]
        elements, bounds = self._box(access.tensor)
        return self._map_of(self._variables(access), elements, [*bounds, *loops], [])

    def _variables(self, access: Access) -> list[str]:
        return [loop.name for loop in access.loops if loop.name not in self._outer]

    def per_unit(self, accesses: list[Access]) -> Any:
        """Units -> elements, whatever the inner loops do."""
        names = [loop.name for loop in self.phase.units]
        maps = [self._map(access, names) for access in accesses]
        union = maps[0]
        for one in maps[1:]:
            union = union.union(one)
        return union

    def box(self, tensor: Any) -> Any:
        """All elements of a tensor from outside the forall."""
        elements, bounds = self._box(tensor)
        return isl.Set(self._text("", elements, bounds, [])).intersect_params(self._possible)

    def nothing(self, tensor: Any) -> Any:
        """No element of a tensor."""
        rank = ir.RankedTensorType(tensor.type).rank
        return isl.Set(f"{{ E[{', '.join(f'x{d}' for d in range(rank))}] : false }}")

    def _box(self, tensor: Any) -> tuple[list[str], list[str]]:
        rank = ir.RankedTensorType(tensor.type).rank
        sizes = [self.phase.reader.size(tensor, d) for d in range(rank)]
        return [f"x{d}" for d in range(rank)], [f"0 <= x{d} < {size}" for d, size in enumerate(sizes)]

    def shared_elements(self, first: Any, second: Any) -> Any:
        """Pairs of different units that touch the same element, first in one way, second in the other."""
        pairs = first.apply_range(second.reverse())
        identity = isl.Map.identity(pairs.get_space())
        return pairs.subtract(identity).wrap()

    def _map(self, access: Access, names: list[str]) -> Any:
        geometry = access.geometry
        elements = [f"x{d}" for d in range(len(geometry.offsets))]
        conditions = [loop.domain() for loop in access.loops if loop.name not in self._outer]
        extra = [loop.name for loop in access.loops if loop.name not in names and loop.name not in self._outer]
        for d, (offset, size, stride) in enumerate(
            zip(geometry.offsets, geometry.sizes, geometry.strides, strict=True)
        ):
            if stride == "1":
                conditions.append(f"{offset} <= x{d} < {offset} + {size}")
            else:
                extra.append(f"s{d}")
                conditions.append(f"0 <= s{d} < {size} and x{d} = {offset} + {stride}*s{d}")
        return self._map_of(names, elements, conditions, extra)

    def _map_of(self, names: list[str], elements: list[str], conditions: list[str], extra: list[str]) -> Any:
        text = self._text(f"U[{', '.join(names)}] -> ", elements, conditions, extra)
        return isl.Map(text).intersect_params(self._possible)

    def _text(self, units: str, elements: list[str], conditions: list[str], extra: list[str]) -> str:
        """isl notation; sizes and outer loop variables are parameters, no size negative, variables inside their
        loops."""
        reader = self.phase.reader
        known = [f"{s} >= 0" for s in reader.symbols if is_size(s)] + [loop.domain() for loop in self.phase.outer]
        auxiliary = reader.auxiliaries_in([*known, *conditions])
        everything = [*known, *conditions, *(reader.auxiliary[t] for t in auxiliary)] or ["true"]
        hidden = [*extra, *auxiliary]
        quantified = f"exists {', '.join(hidden)} : " if hidden else ""
        body = f"{units}E[{', '.join(elements)}] : {quantified}{' and '.join(everything)}"
        return f"[{', '.join([*reader.symbols, *self._outer])}] -> {{ {body} }}"

    def witness(self, bad: Any) -> str | None:
        """None when the set is empty; else its smallest point, said with the sizes' meanings."""
        if bad.is_empty():
            return None
        names = [bad.get_dim_name(isl.dim_type.param, i) for i in range(bad.dim(isl.dim_type.param))]
        flat = bad.flatten() if bad.is_wrapping() else bad.reset_tuple_id()
        point = _smallest_point(flat.move_dims(isl.dim_type.set, 0, isl.dim_type.param, 0, len(names)))
        count = point.get_space().dim(isl.dim_type.set)
        values = [int(str(point.get_coordinate_val(isl.dim_type.set, i))) for i in range(count)]
        sizes = [f"{meaning(n)} = {v}" for n, v in zip(names, values, strict=False)]
        return f"{', '.join([*sizes, ''])}at {tuple(values[len(names) :])}"


def _smallest_point(points: Any) -> Any:
    """The lexicographically smallest point; any point where there is no smallest."""
    try:
        return points.lexmin().sample_point()
    except isl.Error:
        return points.sample_point()
