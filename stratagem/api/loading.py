"""Any model, whatever it came from, as a program of the `tensor` level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratagem.runtime.errors import ModelError, UsageError

if TYPE_CHECKING:
    from stratagem.compiler.program import Program

Shapes = Mapping[str, Sequence[int]] | None

SUFFIXES = {
    ".onnx": "an ONNX model",
    ".pt2": "a torch.export archive",
    ".mlir": "StableHLO text",
    ".mlirbc": "a portable StableHLO artifact",
    ".stablehlo": "a portable StableHLO artifact",
    ".jaxexp": "a portable StableHLO artifact",
}


def load_model(
    model: Any,
    example_inputs: Sequence[Any] | None = None,
    dynamic_shapes: Any = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Program:
    """Reads a model.

    Args:
        model: a path (`.onnx`, `.pt2`, `.mlir`, `.mlirbc`), a `torch.nn.Module`, a torch or JAX function, a
            `torch.export.ExportedProgram`, an `onnx.ModelProto`, or a `Program`, which is returned as it is.
        example_inputs: arrays or tensors, needed for modules and functions; an exported program has its own.
        dynamic_shapes: for torch: `torch.export`'s argument of that name; for JAX: per argument None or a
            mapping axis -> name of the free size. An exported program's sizes were settled when it was exported.
        input_shapes: for ONNX: sizes for inputs whose dimensions the file leaves free, by name.

    Raises:
        ModelError, UnsupportedError: the model cannot be read or uses something outside the tensor contract.
        UsageError: there is no such file, its kind is not known, example inputs are missing, or `dynamic_shapes`
            were given for an exported program.
    """
    from stratagem.compiler.program import Program

    if isinstance(model, Program):
        return model
    if isinstance(model, str | Path):
        return _load_file(Path(model), input_shapes)
    if _is_exported(model):
        return _exported(model, dynamic_shapes)
    if example_inputs is None and not _is_onnx(model):
        raise UsageError("compiling a function or module needs example inputs", hint="pass example_inputs=(x, ...)")
    return _load_object(model, example_inputs, dynamic_shapes, input_shapes)


def _load_file(path: Path, input_shapes: Shapes) -> Program:
    if not path.exists():
        raise UsageError(f"there is no file {path}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name the model file in it")
    suffix = path.suffix.lower()
    if input_shapes and suffix != ".onnx":
        raise UsageError(f"{path}: sizes of inputs can be given for ONNX files only", hint="export the model with them")
    onnx: Callable[[Path], Program] = partial(_onnx, input_shapes=input_shapes)
    loaders: dict[str, Callable[[Path], Program]] = {".onnx": onnx, ".pt2": _torch_archive}
    loader = loaders.get(suffix, _stablehlo if suffix in SUFFIXES else None)
    if loader is None:
        known = "; ".join(f"{suffix} {what}" for suffix, what in SUFFIXES.items())
        raise ModelError(f"{path}: cannot tell what kind of model this is", hint=f"known endings: {known}")
    try:
        return loader(path)
    except ModelError as error:
        if error.location is None and path.name not in str(error):
            error.location = str(path)
        raise
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or path}: {error.strerror}") from None


def _onnx(model: Any, input_shapes: Shapes) -> Program:
    from stratagem.compiler.frontends.onnx import load_onnx

    return load_onnx(model, input_shapes=input_shapes)


def _torch_archive(path: Path) -> Program:
    from stratagem.compiler.frontends.torch import load_exported_program

    return load_exported_program(path)


def _stablehlo(path: Path) -> Program:
    from stratagem.compiler.frontends.stablehlo import load_stablehlo

    return load_stablehlo(path)


def _is_exported(model: Any) -> bool:
    """Whether this is a `torch.export.ExportedProgram`, told without importing torch."""
    return any(c.__module__ == "torch.export.exported_program" for c in type(model).__mro__)


def _exported(program: Any, dynamic_shapes: Any) -> Program:
    from stratagem.compiler.frontends.torch import import_exported

    if dynamic_shapes is not None:
        raise UsageError(
            "dynamic_shapes were given for an exported program, whose sizes were settled when it was exported",
            hint="pass dynamic_shapes to torch.export.export instead",
        )
    return import_exported(program).program


def _is_onnx(model: Any) -> bool:
    return type(model).__module__.startswith("onnx")


def _load_object(
    model: Any, example_inputs: Sequence[Any] | None, dynamic_shapes: Any, input_shapes: Shapes
) -> Program:
    if _is_onnx(model):
        return _onnx(model, input_shapes)
    inputs = tuple(example_inputs or ())
    if framework_of(model, inputs) == "jax":
        from stratagem.compiler.frontends.jax import load_jax

        return load_jax(model, inputs, dynamic_shapes)
    from stratagem.compiler.frontends.torch import load_torch

    return load_torch(model, inputs, dynamic_shapes)


def framework_of(model: Any, inputs: Sequence[Any]) -> str:
    """`jax` or `torch`: by the arguments where they tell, else by what the model is made of."""
    modules = {type(x).__module__.partition(".")[0] for x in inputs} | {type(model).__module__.partition(".")[0]}
    if modules & {"jax", "jaxlib"}:
        return "jax"
    if "torch" in modules or _is_torch_module(model):
        return "torch"
    names = set(getattr(model, "__globals__", {}))
    return "jax" if "jnp" in names and "torch" not in names else "torch"


def _is_torch_module(model: Any) -> bool:
    return any(c.__module__.partition(".")[0] == "torch" for c in type(model).__mro__)
