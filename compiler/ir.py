"""Doors to MLIR: contexts, parsing, printing and small readers of attributes that every pass needs.

The bindings come from the torch-mlir wheel. Two rules hold everywhere: contexts are single threaded (Python verifiers
deadlock under MLIR's own threads), and tensor maths stays in upstream dialects, with our attributes as claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from stratagem.runtime.errors import PassError

DYNAMIC = ir.ShapedType.get_dynamic_size()
LEVELS = ("tensor", "device", "system", "physical")


def new_context() -> Any:
    """A context with upstream, torch-mlir and our own dialects loaded, single threaded."""
    from torch_mlir.dialects import torch as torch_dialect

    from stratagem.dialects import load_all

    context = ir.Context()
    context.enable_multithreading(False)
    torch_dialect.register_dialect(context)
    with context:
        load_all()
        # tm_tensor (scan, scatter, sort) has no Python registration: running a pass that makes its ops loads it.
        loader = PassManager.parse("builtin.module(func.func(convert-torch-to-tmtensor))")
        loader.run(ir.Module.parse("module {}").operation)
    return context


def parse_module(text: str, context: Any | None = None) -> Any:
    """Parses a module; raises PassError with MLIR's message and position when the text is not valid IR."""
    context = context or new_context()
    try:
        return ir.Module.parse(text, context=context)
    except ir.MLIRError as error:
        raise PassError(f"not valid IR: {first_diagnostic(error)}") from None


def parse_file(path: Path) -> Any:
    """Parses a file in a context of its own; raises PassError with the position in that file."""
    try:
        return ir.Module.parseFile(str(path), context=new_context())
    except ir.MLIRError as error:
        raise PassError(f"not valid IR: {first_diagnostic(error)}") from None


def first_diagnostic(error: Any) -> str:
    """The first line of an MLIRError that says something, with its location."""
    diagnostics = getattr(error, "error_diagnostics", None) or []
    texts = [f"{d.location}: {d.message}" for d in diagnostics]
    return texts[0] if texts else str(error).strip().splitlines()[-1]


def run_pipeline(module: Any, pipeline: str) -> None:
    """Runs an upstream pass pipeline given as text, e.g. `builtin.module(canonicalize,cse)`.

    Raises PassError with every diagnostic MLIR emitted, not the bare failure.
    """
    messages: list[str] = []

    def keep(diagnostic: Any) -> bool:
        if "ERROR" in str(diagnostic.severity).upper():
            messages.append(f"{diagnostic.location}: {diagnostic.message}")
        return True

    handler = module.context.attach_diagnostic_handler(keep)
    try:
        with module.context:
            module.context.emit_error_diagnostics = False
            PassManager.parse(pipeline).run(module.operation)
    except ir.MLIRError as error:
        detail = "; ".join(messages) or first_diagnostic(error)
        raise PassError(f"{pipeline}: {detail}") from None
    finally:
        handler.detach()


def clone_module(module: Any) -> Any:
    """An independent copy in the same context."""
    with module.context, ir.Location.unknown():
        return ir.Module.parse(module.operation.get_asm(enable_debug_info=True, assume_verified=True))


def to_text(module: Any, locations: bool = True) -> str:
    """The module as text that parses back, source locations included by default."""
    return str(module.operation.get_asm(enable_debug_info=locations, assume_verified=True))


def local_text(op: Any) -> str:
    """One operation as text without module-wide aliases, so that it can be put into another module."""
    return str(op.get_asm(enable_debug_info=True, use_local_scope=True, assume_verified=True))


def walk(op: Any) -> Iterator[Any]:
    """All operations below `op`, outer before inner, in program order. The list is taken before the first is yielded
    at each block, so the caller may erase the operation it holds."""
    for region in op.regions:
        for block in region.blocks:
            for child in list(block.operations):
                yield child.operation
                yield from walk(child.operation)


def handed_on(region: Any) -> list[Any]:
    """The values that the only block of a region ends with, without the condition of a `while` loop."""
    end = list(region.blocks[0].operations)[-1].operation
    return list(end.operands)[1 if end.name == "scf.condition" else 0 :]


def functions(module: Any) -> list[Any]:
    """The module's own func.func operations, in order."""
    return [op.operation for op in module.body.operations if op.operation.name == "func.func"]


def find_function(module: Any, name: str) -> Any:
    """The function called `name`; raises PassError when the module has none."""
    for function in functions(module):
        if symbol_name(function) == name:
            return function
    raise PassError(f"the module has no function '{name}'")


def symbol_name(op: Any) -> str:
    return str(ir.StringAttr(op.attributes["sym_name"]).value)


def level_of(module: Any) -> str:
    """The level written on the module, `tensor` when none is."""
    attributes = module.operation.attributes
    return str(ir.StringAttr(attributes["stratagem.level"]).value) if "stratagem.level" in attributes else "tensor"


def set_level(module: Any, level: str) -> None:
    with module.context:
        module.operation.attributes["stratagem.level"] = ir.StringAttr.get(level)


def argument_attributes(function: Any, key: str) -> list[str | None]:
    """The string value of argument attribute `key` for each argument, None where it is absent."""
    return _dictionary_strings(function, "arg_attrs", key, len(function.regions[0].blocks[0].arguments))


def result_attributes(function: Any, key: str) -> list[str | None]:
    """The string value of result attribute `key` for each result, None where it is absent."""
    return _dictionary_strings(function, "res_attrs", key, _result_count(function))


def argument_flags(function: Any, key: str) -> list[bool]:
    """Whether each argument carries the attribute `key`."""
    count = len(function.regions[0].blocks[0].arguments)
    return [key in d for d in _dictionaries(function, "arg_attrs", count)]


def result_flags(function: Any, key: str) -> list[bool]:
    """Whether each result carries the attribute `key`."""
    return [key in d for d in _dictionaries(function, "res_attrs", _result_count(function))]


def _result_count(function: Any) -> int:
    return len(ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results)


def _dictionary_strings(function: Any, which: str, key: str, count: int) -> list[str | None]:
    dictionaries = _dictionaries(function, which, count)
    return [str(ir.StringAttr(d[key]).value) if key in d else None for d in dictionaries]


def _dictionaries(function: Any, which: str, count: int) -> Sequence[Any]:
    if which not in function.attributes:
        return [{}] * count
    return [ir.DictAttr(d) for d in ir.ArrayAttr(function.attributes[which])]


def location_text(op: Any) -> str:
    """A short reading of the op's source location: `file:line:col`, a module's path, or the name MLIR prints."""
    return str(op.location).removeprefix("loc(").removesuffix(")").replace('"', "").replace(":0:0", "")
