"""StableHLO front end: text, portable artifacts and modules become Programs at the tensor level."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.landing import land
from stratagem.compiler.frontends.stablehlo_lowering import lower_stablehlo, stablehlo_context
from stratagem.compiler.ir import first_diagnostic, functions, symbol_name
from stratagem.compiler.program import Program
from stratagem.runtime.errors import ModelError, UsageError
from stratagem.runtime.parameters import ParameterStore

BYTECODE_MAGIC = b"ML\xefR"
_ARGUMENT_NAME = re.compile(r'^loc\("((?:[^"\\]|\\.)+)"(?!:)')


def load_stablehlo(source: str | bytes | Path) -> Program:
    """Loads a StableHLO module.

    Args:
        source: a path (`Path`, or text without a line break that names a file), MLIR text, or the bytes of text or of a
        portable artifact (what `jax.export` and other frameworks serialize).

    Inputs are named after the locations of the arguments (JAX writes argument names there), else `arg0`,
    `arg1` ...; outputs after `jax.result_info`, else `output`. Constants above 64 elements become parameters.

    Raises UsageError for a missing file, ModelError when the source is not StableHLO, UnsupportedError
    naming the operation and its line for what has no form at the tensor level.
    """
    module = parse_stablehlo(read_source(source))
    return land_stablehlo(module)


def read_source(source: str | bytes | Path) -> bytes:
    """The content behind a path, text or bytes."""
    if isinstance(source, bytes):
        return source
    is_text = isinstance(source, str) and ("\n" in source or "{" in source)
    if is_text:
        return str(source).encode()
    path = Path(source)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def parse_stablehlo(content: bytes, context: Any | None = None) -> Any:
    """A module from text or bytecode; a portable artifact is brought to the current version."""
    context = context or stablehlo_context()
    if content.startswith(BYTECODE_MAGIC):
        return _deserialize(content, context)
    try:
        return ir.Module.parse(content.decode(), context=context)
    except UnicodeDecodeError:
        raise ModelError("neither MLIR text nor MLIR bytecode", hint="bytecode begins with 'ML\\xefR'") from None
    except ir.MLIRError as error:
        raise ModelError(f"not valid StableHLO text: {first_diagnostic(error)}") from None


def _deserialize(content: bytes, context: Any) -> Any:
    from torch_mlir._mlir_libs import _stablehlo

    messages: list[str] = []

    def keep(diagnostic: Any) -> bool:
        messages.append(str(diagnostic.message))
        return True

    handler = context.attach_diagnostic_handler(keep)  # else MLIR prints them
    try:
        result = _stablehlo.deserialize_portable_artifact(context, content)
        module = result if hasattr(result, "operation") else ir.Module.parse(result, context=context)
        module.operation.verify()
    except (ir.MLIRError, ValueError, RuntimeError) as error:
        reason = first_diagnostic(error) if isinstance(error, ir.MLIRError) else str(error)
        reason = messages[0] if messages else reason
        raise ModelError(f"not a readable portable artifact ({len(content)} bytes): {reason}") from None
    finally:
        handler.detach()
    return module


def land_stablehlo(
    module: Any,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    parameters: ParameterStore | None = None,
    parameter_arguments: Mapping[int, str] | None = None,
) -> Program:
    """Lowers a StableHLO module and lands it; names not given are read from the module."""
    function = public_function(module)
    name = symbol_name(function)
    taken = set(parameter_arguments or {})
    arguments = list(function.regions[0].blocks[0].arguments)
    inputs = list(input_names or [_argument_name(a, i) for i, a in enumerate(arguments) if i not in taken])
    outputs = list(output_names or _result_names(function))
    inputs, outputs = _distinct(inputs), _distinct(outputs)
    unsigned = _unsigned(function, inputs, outputs, taken)
    return land(
        lower_stablehlo(module),
        name,
        input_names=inputs,
        output_names=outputs,
        parameters=parameters,
        parameter_arguments=parameter_arguments,
        unsigned=unsigned,
    )


def public_function(module: Any) -> Any:
    """`main`, or the only public function; raises ModelError when there is no such thing."""
    public = [
        f
        for f in functions(module)
        if "sym_visibility" not in f.attributes or "public" in str(f.attributes["sym_visibility"])
    ]
    chosen = [f for f in public if symbol_name(f) == "main"] or (public if len(public) == 1 else [])
    if not chosen or not chosen[0].regions[0].blocks:
        names = ", ".join(symbol_name(f) for f in public) or "none"
        raise ModelError("the module has no function 'main'", hint=f"public functions: {names}")
    return chosen[0]


def _argument_name(argument: Any, number: int) -> str:
    match = _ARGUMENT_NAME.match(str(argument.location))
    return clean_name(match[1]) if match else f"arg{number}"


def clean_name(text: str) -> str:
    """`d['b'][0].x` -> `d.b.0.x`."""
    return re.sub(r"[\[.]+'?([^\[\].']*)'?\]?", r".\1", text).strip(".") or text


def _result_names(function: Any) -> list[str]:
    kinds = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results
    names = []
    attributes = ir.ArrayAttr(function.attributes["res_attrs"]) if "res_attrs" in function.attributes else None
    for i in range(len(kinds)):
        info = ir.DictAttr(attributes[i]) if attributes is not None else None
        if info is not None and "jax.result_info" in info:
            names.append(output_name(clean_name(str(ir.StringAttr(info["jax.result_info"]).value))))
        else:
            names.append("output" if len(kinds) == 1 else f"output.{i}")
    return names


def output_name(path: str) -> str:
    """JAX's `result.y` -> `y`, `result.0` -> `output.0`, `result` -> `output`."""
    rest = path.removeprefix("result").strip(".")
    if not rest:
        return "output"
    return f"output.{rest}" if rest[0].isdigit() else rest


def _distinct(names: list[str]) -> list[str]:
    taken: set[str] = set()
    result = []
    for name in names:
        unique, n = name, 0
        while unique in taken:
            n += 1
            unique = f"{name}.{n}"
        taken.add(unique)
        result.append(unique)
    return result


def _unsigned(function: Any, inputs: list[str], outputs: list[str], taken: set[int]) -> frozenset[str]:
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    plain = [t for i, t in enumerate(kind.inputs) if i not in taken]
    pairs = [*zip(inputs, plain, strict=True), *zip(outputs, kind.results, strict=True)]
    return frozenset(name for name, t in pairs if re.search(r"xui\d|<ui\d", str(t)))
