"""The import in a worker process: the model comes as a path, the program goes back as text and references to
arrays.

Weights that lie in the model's files are named by file and offset, so that the caller maps them itself;
computed ones go through a safetensors file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stratagem.compiler.frontends.constants import NUMPY_DTYPES, Array
from stratagem.compiler.frontends.onnx.weights import Weights, aligned_view, map_file
from stratagem.compiler.ir import parse_module, to_text
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore

_MODULE, _COMPUTED = "module.mlir", "computed.safetensors"
_DTYPES = {str(d): d for d in NUMPY_DTYPES.values()}


def import_to_folder(
    path: str, folder: str | None, input_shapes: dict[str, list[int | None]], out: str, label: str
) -> list[Any]:
    """Imports the model and writes the program to the folder `out`.

    Returns, for each parameter in order, [name, file, offset, dtype, shape]; file is None for computed ones.
    """
    from stratagem.compiler.frontends.onnx.load import import_model

    program, weights = import_model(Path(path), folder, input_shapes, None, lazy=True, label=label)
    Path(out, _MODULE).write_text(to_text(program.module))
    entries: list[Any] = []
    computed = ParameterStore()
    for name, array in program.parameters.items():
        place = weights.locate(array)
        if place is None:
            computed.add(name, array)
        file, offset = (None, 0) if place is None else (str(place[0]), place[1])
        entries.append([name, file, offset, str(array.dtype), list(array.shape)])
    with Path(out, _COMPUTED).open("wb") as stream:
        computed.write(stream)
    return entries


def program_from_folder(folder: Path, entries: list[Any], weights: Weights, context: Any | None) -> Program:
    """The program an `import_to_folder` left, its parameters mapped; `weights` holds maps made before."""
    computed = ParameterStore.load(folder / _COMPUTED)
    parameters = ParameterStore()
    for name, file, offset, dtype, shape in entries:
        parameters.add(
            name,
            computed[name] if file is None else _mapped(weights, Path(file), offset, _DTYPES[dtype], shape),
        )
    module = parse_module((folder / _MODULE).read_text(), context)
    return Program(module, parameters)


def _mapped(weights: Weights, path: Path, offset: int, dtype: np.dtype[Any], shape: list[int]) -> Array:
    data = weights.maps.setdefault(path, map_file(path)) if path not in weights.maps else weights.maps[path]
    count = int(np.prod(shape, dtype=np.int64))
    return aligned_view(data[offset : offset + count * dtype.itemsize], dtype).reshape(shape)
