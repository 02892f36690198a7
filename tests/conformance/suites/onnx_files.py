"""Real ONNX models that packages of PyPI ship, with free sizes as they are, against ONNX Runtime on the same inputs."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.conformance.compare import Array, expect
from tests.conformance.packages import package_file

TITLE = "ONNX models in PyPI packages"
SOURCE = "tests/conformance/data/onnx_files.toml"
FLOOR = 1.0
SECONDS = 600
"""For one case: models of up to 100 MB and 1,500 nodes."""
TOLERANCE = 1e-3
"""Of a result's largest magnitude: sums of thousands of products in f32, in two orders."""
CATALOGUE = Path(__file__).resolve().parents[1] / "data" / "onnx_files.toml"


@cache
def models() -> dict[str, dict[str, Any]]:
    """The catalogue by name of package and file."""
    entries = tomllib.loads(CATALOGUE.read_text())["model"]
    return {f"{entry['package']}/{entry['file']}": entry for entry in entries}


def names() -> list[str]:
    return list(models())


def run(name: str) -> None:
    import stratagem as sg

    entry = models()[name]
    path = package_file(entry["package"], entry["version"], entry["file"], entry["sha256"])
    feeds = inputs_for(entry, path)
    wanted = _by_onnxruntime(path, feeds)
    got = sg.compile(path, target="cpu").executable(**feeds)
    scales = [float(np.abs(w.astype(np.float64)).max(initial=1e-6)) if w.dtype.kind == "f" else 1 for w in wanted]
    expect(_scaled(got, scales), _scaled(wanted, scales), TOLERANCE)


def _scaled(results: list[Array], scales: list[float]) -> list[Array]:
    return [(r / s).astype(r.dtype) if r.dtype.kind == "f" else r for r, s in zip(results, scales, strict=True)]


def _by_onnxruntime(path: Path, feeds: dict[str, Array]) -> list[Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, feeds)]


def inputs_for(entry: dict[str, Any], path: Path) -> dict[str, Array]:
    """The same arrays every time, by the model's input names."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    random = np.random.default_rng(0)
    return {v.name: _drawn(v, entry, random) for v in graph.input if v.name not in stored}


def _drawn(value: Any, entry: dict[str, Any], random: np.random.Generator) -> Array:
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    shape, rules = _shape(value, entry.get("sizes", {})), entry.get("inputs", {})
    rule = rules.get(value.name, rules.get("*") if dtype.kind in "iu" else None)
    if rule == "zeros":
        return np.zeros(shape, dtype)
    if rule == "ones" or dtype == np.bool_:
        return np.ones(shape, dtype)
    if rule == "page":
        return _page(shape).astype(dtype)
    if rule is not None and "values" in rule:
        return np.array(rule["values"], dtype).reshape(shape)
    if rule is None and dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    low, high = rule["range"] if rule else (0, 2)
    return random.integers(low, high, shape).astype(dtype)


def _page(shape: list[int]) -> Array:
    """Lines of dark strokes on a light ground, [n, channels, h, w]: on noise a text detector finds nothing, and what it
    then gives is the rounding of its last sigmoid.
    """
    page = np.full(shape, 1.5)
    for top in range(20, shape[2] - 20, 48):
        for place, left in enumerate(range(16, shape[3] - 16, 8)):
            page[:, :, top : top + 18, left : left + 2] = -1.5
            bar = top + 8 * (place % 3)
            page[:, :, bar : bar + 2, left : left + 6] = -1.5
    return page


def _shape(value: Any, sizes: dict[str, Any]) -> list[int]:
    if value.name in sizes:
        return list(sizes[value.name])
    dims = value.type.tensor_type.shape.dim
    return [d.dim_value or (sizes[d.dim_param] if d.dim_param in sizes else sizes["*"][i]) for i, d in enumerate(dims)]
