"""Making one step smaller: its scalar code, its operands, its initial values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fuzz.description import FLOATS, Description, Step


def simpler_bodies(program: Description) -> Iterator[Description]:
    """Copies in which one step does less."""
    for place, step in enumerate(list(program.all_steps())):
        for edit in (_shorter_code, _fewer_operands, _one_result, _plain_start):
            for number in range(_choices(step)):
                copy = program.copy()
                target = list(copy.all_steps())[place]
                if edit(copy, target, number):
                    yield copy


def _choices(step: Step) -> int:
    return 3 * len(step.attrs.get("code", ())) + len(step.operands) + len(step.results)


def _shorter_code(program: Description, step: Step, number: int) -> bool:
    """One instruction gives way to one of its operands, or to a constant."""
    code = step.attrs.get("code")
    if not code or number >= 3 * len(code):
        return False
    place, which = divmod(number, 3)
    one = code[place]
    if which == 2:
        if one["to"] == "index":
            return False
        new = f"c:{one['to']}:{'1.0' if one['to'] in FLOATS else 1}"
    elif which < len(one["args"]) and one["form"] in ("plain", "select"):
        new = one["args"][-1 - which]
    else:
        return False
    _substitute(step, f"t{place}", new)
    _prune(step)
    return True


def _uses(step: Step) -> list[list[Any]]:
    """The lists of references in a step's code and what it yields."""
    lists = [one["args"] for one in step.attrs["code"]]
    return [*lists, step.attrs["yields"]] if isinstance(step.attrs.get("yields"), list) else lists


def _substitute(step: Step, old: str, new: str) -> None:
    for uses in _uses(step):
        uses[:] = [new if r == old else r for r in uses]
    if step.attrs.get("yield") == old:
        step.attrs["yield"] = new


def _prune(step: Step) -> None:
    """Drops instructions that nothing uses, and counts the others anew."""
    code = step.attrs["code"]
    for place in reversed(range(len(code))):
        name = f"t{place}"
        if step.attrs.get("yield") == name or any(name in uses for uses in _uses(step)):
            continue
        del code[place]
        for later in range(place + 1, len(code) + 1):
            _substitute(step, f"t{later}", f"t{later - 1}")


def _fewer_operands(program: Description, step: Step, number: int) -> bool:
    """Drops an operand that the code does not read."""
    ins = step.attrs.get("ins", 0)
    if step.kind != "generic" or number >= ins or any(f"a{number}" in uses for uses in _uses(step)):
        return False
    del step.operands[number], step.attrs["maps"][number]
    step.attrs["ins"] -= 1
    for later in range(number + 1, ins + len(step.results)):
        _substitute(step, f"a{later}", f"a{later - 1}")
    _shift_operands(step, number)
    return True


def _shift_operands(step: Step, gone: int) -> None:
    """References to operands by place, after the one at `gone` was dropped."""
    for init in step.attrs["inits"]:
        if isinstance(init, dict) and init.get("operand", -1) > gone:
            init["operand"] -= 1
    for one in step.attrs["code"]:
        if one.get("operand", -1) > gone:
            one["operand"] -= 1
    for later in range(gone + 1, len(step.operands) + 1):
        _substitute(step, f"s{later}", f"s{later - 1}")


def _one_result(program: Description, step: Step, number: int) -> bool:
    """Drops a result that nothing reads."""
    if step.kind != "generic" or number >= len(step.results) or len(step.results) == 1:
        return False
    gone = step.results[number].number
    read = {n for s in program.all_steps() for n in [*s.operands, *(y for r in s.regions for y in r.yields)]}
    if gone in read | {o.number for o in program.outputs}:
        return False
    if any(f"a{step.attrs['ins'] + number}" in one["args"] for one in step.attrs["code"]) and number == 0:
        return False
    for key in ("yields", "inits"):
        del step.attrs[key][number]
    del step.results[number], step.attrs["maps"][step.attrs["ins"] + number]
    _prune(step)
    return True


def _plain_start(program: Description, step: Step, number: int) -> bool:
    """An initial value that is a value of the program becomes a constant."""
    inits = step.attrs.get("inits", [])
    if step.kind not in ("generic", "scan") or number >= len(inits) or "operand" not in inits[number]:
        return False
    inits[number] = {"fill": 0}
    return True
