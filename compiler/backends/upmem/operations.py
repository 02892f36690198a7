"""What the cost counters of a DPU program distinguish: kind of operation and element type.

The numbers (instructions per operation) come from the hardware description; the order here is the numbering
that `stratagem_machine.h` and the simulator share.
"""

from __future__ import annotations

KINDS = ("ADD", "MUL", "DIV")
TYPES = ("I32", "I64", "F32", "F64")
OPERATIONS = tuple(f"{kind}_{dtype}" for dtype in TYPES for kind in KINDS) + ("LOOP",)
"""`LOOP` is the overhead of one step of an innermost loop: addresses, counting, branching."""

FUNCTIONS = {"ADD": "add", "MUL": "mul", "DIV": "div"}
"""Kind -> the function of the hardware description whose rate tells the cost."""


def cost_type(dtype: str) -> str:
    """The element type whose cost stands for `dtype`: integers up to 32 bits cost the same."""
    if dtype in ("i64", "f32", "f64"):
        return dtype.upper()
    return "I32"


def cost_name(kind: str, dtype: str) -> str:
    """The counter of an operation, e.g. `MUL_F32`."""
    return f"{kind}_{cost_type(dtype)}"


def macro_name(operation: str) -> str:
    """The C macro of a counter."""
    return f"SG_{operation}"
