"""Files that name an architecture by its sizes: our own YAML, or the `config.json` that model hubs keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stratagem.compiler.cost.device import BYTES
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.runtime.errors import ModelError, UsageError

SIZES = ("hidden", "layers", "heads", "sequence", "vocabulary", "feedforward", "groups", "head")
FLAGS = ("gated", "tied", "dropout", "fused_attention", "shared_reads")
OWN = ("transformer", "dtype", *SIZES, *(flag.replace("_", "-") for flag in FLAGS))
"""Keys of our own files; `source` is free text."""
NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer"),
    "heads": ("num_attention_heads", "n_head"),
    "sequence": ("max_position_embeddings", "n_positions"),
    "vocabulary": ("vocab_size",),
    "feedforward": ("intermediate_size", "n_inner", "ffn_dim"),
    "groups": ("num_key_value_heads",),
    "head": ("head_dim",),
}
"""What hub files call a size."""
DTYPES = {"float16": "f16", "bfloat16": "bf16", "float32": "f32"}
GATED = ("silu", "swiglu", "geglu")
"""Activations that come with a second inner product in the model families that name them."""


def is_architecture(path: Path) -> bool:
    """Whether a path is a file of sizes rather than a model."""
    return path.suffix in (".yaml", ".yml", ".json")


def read_architecture(path: Path, sequence: int = 0, dtype: str = "", queries: int = 0) -> Transformer:
    """The transformer that a file names.

    Args:
        sequence: tokens of a sample, in place of the file's. dtype: element type, in place of the file's.
        queries: tokens that are computed at a time (1: generating); all of them by default.

    Raises ModelError for a file that is no such file, UsageError for sizes that make no transformer.
    """
    entries = read_entries(path)
    if "transformer" in entries:
        name, sizes, kind = _own(path, entries)
    else:
        name, sizes, kind = _hub(path, entries)
    sizes = sizes | ({"sequence": sequence} if sequence else {})
    missing = [key for key in SIZES[:5] if key not in sizes]
    if missing:
        raise ModelError(
            f"{path} does not give {', '.join(missing)}", hint=f"a transformer needs {', '.join(SIZES[:5])}"
        )
    kind = dtype or kind
    if kind not in BYTES:
        raise UsageError(f"there is no element type '{kind}'", hint=f"types: {', '.join(BYTES)}")
    return Transformer(name, Architecture(**sizes), kind, queries)


def read_entries(path: Path) -> Mapping[str, Any]:
    """The map of a YAML or JSON file; raises ModelError where it is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        entries = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise ModelError(f"{path} holds no map of sizes", hint="it starts with 'transformer: NAME'")
    return entries


def _own(path: Path, entries: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    for key in entries:
        if key not in (*OWN, "source"):
            raise ModelError(
                f"{path}: unknown key '{key}'", hint=did_you_mean(str(key), OWN) or f"keys: {', '.join(OWN)}"
            )
    sizes = {key: _size(path, key, entries[key]) for key in SIZES if key in entries}
    flags = {flag: _flag(path, flag.replace("_", "-"), entries) for flag in FLAGS if flag.replace("_", "-") in entries}
    return str(entries["transformer"]), sizes | flags, str(entries.get("dtype", "bf16"))


def _hub(path: Path, entries: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    sizes: dict[str, Any] = {}
    for key, names in NAMES.items():
        given = next((name for name in names if entries.get(name) is not None), None)
        if given:
            sizes[key] = _size(path, given, entries[given])
    if "hidden" not in sizes:
        raise ModelError(
            f"{path} names no architecture", hint="it starts with 'transformer: NAME', or is a config.json"
        )
    sizes["gated"] = str(entries.get("hidden_act", "")) in GATED
    sizes["tied"] = bool(entries.get("tie_word_embeddings", True))
    drops = (value for key, value in entries.items() if "drop" in key or key.endswith("pdrop"))
    sizes["dropout"] = any(isinstance(value, float) and value > 0 for value in drops)
    kind = str(entries.get("torch_dtype") or entries.get("dtype") or "bfloat16")
    return str(entries.get("model_type", path.stem)), sizes, DTYPES.get(kind, kind)


def _size(path: Path, key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"{path}: {key} is {value!r}; a whole number above zero is needed")
    return value


def _flag(path: Path, key: str, entries: Mapping[str, Any]) -> bool:
    if not isinstance(entries[key], bool):
        raise ModelError(f"{path}: {key} is {entries[key]!r}; true or false is needed")
    return bool(entries[key])
