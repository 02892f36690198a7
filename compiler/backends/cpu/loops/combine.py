"""The operation by which a reduction's body combines a new term with the sum so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

_KINDS = {
    "arith.addf": ("add", 0.0),
    "arith.mulf": ("mul", 1.0),
    "arith.maximumf": ("maximumf", float("-inf")),
    "arith.minimumf": ("minimumf", float("inf")),
    "arith.maxnumf": ("maxnumf", float("-inf")),
    "arith.minnumf": ("minnumf", float("inf")),
    "arith.addi": ("add", 0),
    "arith.muli": ("mul", 1),
    "arith.andi": ("and", -1),
    "arith.ori": ("or", 0),
    "arith.xori": ("xor", 0),
    "arith.maxui": ("maxui", 0),
    "arith.minui": ("minui", -1),
    "arith.maxsi": ("maxsi", "least"),
    "arith.minsi": ("minsi", "most"),
}


@dataclass(frozen=True)
class Combiner:
    """An associative, commutative operation and how `vector.reduction` names it."""

    operation: str
    kind: str
    neutral: Any

    def neutral_attribute(self, kind: Any) -> Any:
        """The value that changes nothing, as an attribute of scalar type `kind`."""
        if isinstance(kind, ir.IntegerType | ir.IndexType):
            width = 64 if isinstance(kind, ir.IndexType) else int(kind.width)
            limits = {"least": -(1 << (width - 1)), "most": (1 << (width - 1)) - 1}
            return ir.IntegerAttr.get(kind, limits.get(self.neutral, self.neutral))
        return ir.FloatAttr.get(kind, float(self.neutral))


def combiner_of(body: Any) -> Combiner | None:
    """The combiner of a body whose first result is `combine(accumulator, term)`, when it uses the accumulator nowhere
    else."""
    end = list(body.operations)[-1].operation
    accumulator = body.arguments[len(body.arguments) - len(end.operands)]
    if isinstance(end.operands[0].owner, ir.Block):
        return None
    last = end.operands[0].owner.operation
    uses = [use.owner.operation for use in accumulator.uses]
    if last.name not in _KINDS or uses != [last] or last.operands[0] == last.operands[1]:
        return None
    kind, neutral = _KINDS[last.name]
    return Combiner(last.name, kind, neutral)
