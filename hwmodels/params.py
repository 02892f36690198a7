"""`params` and `vary`: one file, many machines.

`$name` stands for a whole value, `${name}` for a part of a text. `params` gives values; `vary` gives lists
to sweep over, whose first entry is the default.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node, Scalar

WHOLE = re.compile(r"\$([A-Za-z_][\w-]*)")
PART = re.compile(r"\$\{([A-Za-z_][\w-]*)\}")
CONTROL_KEYS = ("extends", "params", "vary")


def parameters(root: Node, problems: list[Problem]) -> dict[str, Scalar]:
    """Default value of every parameter of a document."""
    values: dict[str, Scalar] = {}
    for name, choices in vary(root, problems).items():
        values[name] = choices[0]
    node = root.child("params")
    if node is not None and not isinstance(node.value, dict):
        problems.append(Problem(node.place, "params", "expected a map of names to values"))
    for name, below in (node.mapping() if node else {}).items():
        if isinstance(below.value, dict | list):
            problems.append(Problem(below.place, f"params.{name}", "a parameter is one number or text"))
        else:
            values[name] = below.value
    return values


def vary(root: Node, problems: list[Problem]) -> dict[str, list[Scalar]]:
    """Sweep axes of a document: name -> values."""
    node = root.child("vary")
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        problems.append(Problem(node.place, "vary", "expected a map of names to lists"))
        return {}
    axes: dict[str, list[Scalar]] = {}
    for name, below in node.value.items():
        items = below.value if isinstance(below.value, list) else []
        if not items or any(isinstance(item.value, dict | list) for item in items):
            problems.append(Problem(below.place, f"vary.{name}", "expected a list of at least one number or text"))
            continue
        axes[name] = [item.value for item in items if not isinstance(item.value, dict | list)]
    return axes


def substitute(root: Node, values: Mapping[str, Scalar], problems: list[Problem]) -> Node:
    """The document with parameters filled in and the control keys left out."""

    def filled(node: Node, path: tuple[str | int, ...]) -> Node:
        if isinstance(node.value, dict):
            items = {k: filled(v, (*path, k)) for k, v in node.value.items() if path or k not in CONTROL_KEYS}
            return replace(node, value=items)
        if isinstance(node.value, list):
            return replace(node, value=[filled(v, (*path, n)) for n, v in enumerate(node.value)])
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        return replace(node, value=fill_text(node, node.value, path))

    def fill_text(node: Node, text: str, path: tuple[str | int, ...]) -> Scalar:
        for name in [*WHOLE.findall(text), *PART.findall(text)]:
            if name not in values:
                hint = did_you_mean(name, values) or "give it under 'params' or 'vary'"
                problems.append(Problem(node.place, root.label(path), f"unknown parameter '${name}'", hint))
                return None
        whole = WHOLE.fullmatch(text)
        return values[whole[1]] if whole else PART.sub(lambda found: str(values[found[1]]), text)

    return filled(root, ())


def assignments(axes: Mapping[str, list[Scalar]]) -> Iterator[dict[str, Scalar]]:
    """Every combination of the sweep axes, the last axis fastest."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def parameter_lines(target: str | Path) -> Iterator[str]:
    """The parameters of a description with their defaults, and what is swept over, as text."""
    from stratagem.hwmodels.load import open_target
    from stratagem.hwmodels.resolve import inherit

    root = inherit(open_target(target))
    axes = vary(root, [])
    for name, value in parameters(root, []).items():
        sweep = f" (vary: {', '.join(map(str, axes[name]))})" if name in axes else ""
        yield f"parameter {name}: {value}{sweep}"
