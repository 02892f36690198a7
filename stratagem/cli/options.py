"""Options that several commands share, and the reading of `.npz` inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratagem.runtime.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from stratagem.runtime.signature import Signature

target_option = click.option(
    "--target",
    default="cpu",
    show_default=True,
    metavar="NAME|FILE.yaml",
    help="What to compile for: `cpu` is this machine; `stratagem hw list` shows the others.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
inputs_option = click.option(
    "--inputs",
    type=click.Path(dir_okay=False, path_type=Path),
    help="An .npz file with one array per input, by name. Without it, random inputs are made.",
)
shapes_option = click.option(
    "--input-shape",
    "shapes",
    multiple=True,
    metavar="NAME=N,N,...",
    help="Fix the shape of an input that an ONNX file leaves free.",
)
seed_option = click.option("--seed", default=0, show_default=True, help="Seed of random inputs.")
size_option = click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N,N,...",
    help="Shape of one random input; needed where it has free dimensions (default: each is 1).",
)


def read_npz(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of an .npz file, without unpickling; raises UsageError when it is not one."""
    import zipfile

    import numpy as np

    hint = "write it with numpy.savez(path, name=array)"
    if not path.exists():
        raise UsageError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise UsageError(f"{path} cannot be read as arrays: it is not an .npz file", hint=hint)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise UsageError(f"{path} cannot be read as arrays: {error}", hint=hint) from None


def random_inputs(signature: Signature, sizes: tuple[str, ...], seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Normal random floats and complex numbers, and zeros and ones for integers, in the shapes the program takes."""
    from stratagem.api.random_inputs import random_arrays

    return random_arrays(signature, dict(map(read_size, sizes)), seed)


def read_size(text: str, option: str = "--size") -> tuple[str, tuple[int, ...]]:
    """`x=8,128` -> ("x", (8, 128)); raises UsageError for anything else."""
    name, _, numbers = text.rpartition("=")
    if not name or not all(n.isdigit() for n in numbers.split(",")):
        raise UsageError(f"{option} {text} cannot be read", hint=f"write it as {option} x=8,128")
    return name, tuple(int(n) for n in numbers.split(","))


def describe(array: np.ndarray[Any, Any]) -> str:
    """Shape, dtype and range of a result, in a line."""
    text = f"{array.dtype}{list(array.shape)}"
    if array.size and array.dtype.kind in "fiub":
        wide = array.astype("float64")
        text += f"  min {wide.min():.6g}  mean {wide.mean():.6g}  max {wide.max():.6g}"
    return text


def print_json(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value, indent=1, default=str))


def write_text(path: Path, text: str) -> None:
    """Writes a file, all or nothing, and says so on standard error; raises ResourceError where it cannot."""
    from stratagem.runtime.container import replacing

    with replacing(path) as file:
        file.write(text.encode())
    click.echo(f"{path}: {len(text) / 1e6:.2f} MB", err=True)
