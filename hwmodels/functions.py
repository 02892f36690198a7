"""The functions every device file may name without defining them: `library/functions.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from stratagem.hwmodels.locate import LIBRARY
from stratagem.hwmodels.model import Function


@lru_cache(maxsize=1)
def builtin_functions() -> Mapping[str, Function]:
    """Name -> function. The file has one-line entries only, so reading it needs no YAML parser."""
    found: dict[str, Function] = {}
    section = ""
    for line in (LIBRARY / "functions.yaml").read_text(encoding="utf-8").splitlines():
        name, separator, text = line.partition(":")
        if not separator or line.startswith("#"):
            continue
        if not line.startswith(" "):
            section = name
            continue
        text = text.strip().strip('"')
        found[name.strip()] = Function(name.strip(), text, category=section)
    return MappingProxyType(found)
