"""Ways to make a description smaller. Each yields copies; most still fail for the same reason, some are no programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.fuzz.body_edits import simpler_bodies
from tests.fuzz.description import FLOATS, Description, Input, Output, Step, walk
from tests.fuzz.programs import settle

Edit = Callable[[Description], Iterator[Description]]
SMALL = (1, 2, 3, 5)


def cleaned(program: Description) -> Description:
    """Without steps and inputs that no output needs."""
    while True:
        used = _used(program)
        kept = len(list(program.all_steps()))
        program.steps = _live(program.steps, used)
        if len(list(program.all_steps())) == kept:
            break
    used = _used(program)
    program.inputs = [v for v in program.inputs if v.number in used]
    settle(program)
    return program


def _used(program: Description) -> set[int]:
    read = {n for s in program.all_steps() for n in [*s.operands, *(y for r in s.regions for y in r.yields)]}
    return read | {o.number for o in program.outputs}


def _live(steps: list[Step], used: set[int]) -> list[Step]:
    for step in steps:
        for region in step.regions:
            region.steps = _live(region.steps, used)
    return [s for s in steps if any(v.number in used for v in s.results)]


def replaced(program: Description, old: int, new: int) -> None:
    """Every use of value `old` becomes one of `new`."""
    for step in program.all_steps():
        step.operands = [new if n == old else n for n in step.operands]
        for region in step.regions:
            region.yields = [new if n == old else n for n in region.yields]
    for output in program.outputs:
        output.number = new if output.number == old else output.number


def fewer_outputs(program: Description) -> Iterator[Description]:
    for place in range(len(program.outputs) if len(program.outputs) > 1 else 0):
        copy = program.copy()
        copy.outputs = [copy.outputs[place]]
        yield cleaned(copy)


def fewer_runs(program: Description) -> Iterator[Description]:
    for place in range(len(program.runs) if len(program.runs) > 1 else 0):
        copy = program.copy()
        copy.runs = [copy.runs[place]]
        yield copy


def earlier_outputs(program: Description) -> Iterator[Description]:
    """One step's results as outputs; nothing after it."""
    for place in range(len(program.steps) - 1):
        copy = program.copy()
        copy.outputs = [Output(v.number) for v in copy.steps[place].results if v.type.shape is not None]
        if copy.outputs:
            yield cleaned(copy)


def steps_as_inputs(program: Description) -> Iterator[Description]:
    """Results of a step, or of all steps up to it, become inputs."""
    count = len(list(program.all_steps()))
    for place in reversed(range(count)):
        for whole in (True, False):
            copy = program.copy()
            steps = list(copy.all_steps())
            chosen = steps[: place + 1] if whole and place else [steps[place]]
            for step in chosen:
                _make_inputs(copy, step)
            yield cleaned(copy)


def _make_inputs(program: Description, step: Step) -> None:
    known = [v.number for v in program.inputs]
    for value in step.results:
        fresh = max([*known, *(v.number for s in program.all_steps() for v in s.results), 0]) + 1
        if value.type.shape is not None:
            program.inputs.append(Input(fresh, value.type))
            known.append(fresh)
            replaced(program, value.number, fresh)


def bypassed_steps(program: Description) -> Iterator[Description]:
    """A result gives way to an operand of its type."""
    types = {v.number: v.type for v in program.inputs}
    types |= {v.number: v.type for s in program.all_steps() for v in s.results}
    for step in list(program.all_steps()):
        for value in step.results:
            for operand in {n for n in step.operands if types.get(n) == value.type}:
                copy = program.copy()
                replaced(copy, value.number, operand)
                yield cleaned(copy)


def unwrapped_regions(program: Description) -> Iterator[Description]:
    """What a branch or a loop's body does, done once."""
    count = len(program.steps)
    for place in range(count):
        for number in range(len(program.steps[place].regions)):
            copy = program.copy()
            step = copy.steps[place]
            region = step.regions[number]
            counters = {v.number for v in region.arguments if v.type.shape is None}
            if counters & {n for s in walk(region.steps) for n in s.operands}:
                continue
            tensors = [v for v in region.arguments if v.type.shape is not None]
            copy.steps[place : place + 1] = region.steps
            pairs = list(zip(region.yields, step.results, strict=True))
            for argument, operand in zip(tensors, step.operands, strict=False):
                replaced(copy, argument.number, operand)
                pairs = [(operand if y == argument.number else y, r) for y, r in pairs]
            for new, result in pairs:
                replaced(copy, result.number, new)
            yield cleaned(copy)


def smaller_sizes(program: Description) -> Iterator[Description]:
    """A base fixed, or smaller in the types or in the one run that is left."""
    for place, base in enumerate(program.bases):
        if base.is_dynamic:
            copy = program.copy()
            copy.bases[place].is_dynamic = False
            copy.bases[place].size = copy.runs[0][place]
            copy.runs = [[copy.runs[0][place] if i == place else n for i, n in enumerate(run)] for run in copy.runs]
            yield copy
        now = max(run[place] for run in program.runs)
        for size in sorted({n for n in (*SMALL, now // 2, now - 1) if 0 < n < now}):
            copy = program.copy()
            copy.bases[place].size = size
            for run in copy.runs:
                run[place] = size
            if copy.is_defined(copy.runs[0]):
                yield copy


def plainer_inputs(program: Description) -> Iterator[Description]:
    for place, value in enumerate(program.inputs):
        if value.is_parameter or value.is_unsigned or value.data != "unit":
            copy = program.copy()
            copy.inputs[place] = Input(value.number, value.type)
            yield copy
    for place, output in enumerate(program.outputs):
        if output.is_unsigned:
            copy = program.copy()
            copy.outputs[place].is_unsigned = False
            yield copy


def plainer_elements(program: Description) -> Iterator[Description]:
    """One element type becomes f32 or i32 wherever it stands."""
    text = repr(program)
    for old in ("f64", "f16", "bf16", "i64", "i16", "i8"):
        if f"'{old}'" in text or f":{old}:" in text:
            yield _retyped(program, old, "f32" if old in FLOATS else "i32")


def _retyped(program: Description, old: str, new: str) -> Description:
    copy = program.copy()
    values = [*copy.inputs, *(v for s in copy.all_steps() for v in s.results)]
    values += [a for s in copy.all_steps() for r in s.regions for a in r.arguments]
    for value in values:
        if value.type.element == old:
            value.type = replace(value.type, element=new)
    for step in copy.all_steps():
        for one in step.attrs.get("code", ()):
            one["type"], one["to"] = (new if one[key] == old else one[key] for key in ("type", "to"))
            one["args"] = [a.replace(f"c:{old}:", f"c:{new}:") for a in one["args"]]
        if "arguments" in step.attrs:
            step.attrs["arguments"] = [new if a == old else a for a in step.attrs["arguments"]]
            step.attrs["yields"] = new if step.attrs["yields"] == old else step.attrs["yields"]
    return copy


EDITS: tuple[Edit, ...] = (
    fewer_outputs, fewer_runs, earlier_outputs, steps_as_inputs, bypassed_steps, unwrapped_regions, simpler_bodies,
    smaller_sizes, plainer_inputs, plainer_elements,
)  # fmt: skip
"""In the order in which they are tried: what removes most comes first."""
