"""A document with everything it inherits, and parameters filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stratagem.hwmodels.errors import HardwareFileError, Problem
from stratagem.hwmodels.locate import Document, find
from stratagem.hwmodels.merge import merge, without_removed
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node, Scalar
from stratagem.hwmodels.params import parameters, substitute, vary

LONGEST_CHAIN = 16


@dataclass(frozen=True)
class Resolved:
    """A document ready for the schema: `root` has no `extends`, `params` or `vary` left."""

    document: Document
    root: Node
    axes: Mapping[str, list[Scalar]]


def resolve(document: Document, overrides: Mapping[str, Scalar] | None = None) -> Resolved:
    """Inherit, then fill in parameters (`overrides` first). HardwareFileError lists every problem."""
    merged = without_removed(inherit(document))
    problems: list[Problem] = []
    values = parameters(merged, problems)
    for name, value in (overrides or {}).items():
        if name not in values:
            hint = did_you_mean(name, values) or f"parameters here: {', '.join(values) or 'none'}"
            problems.append(Problem(merged.place, "params", f"no parameter is called '{name}'", hint))
        values[name] = value
    axes = vary(merged, [])
    root = substitute(merged, values, problems)
    if problems:
        raise HardwareFileError(problems)
    return Resolved(document, root, axes)


def inherit(document: Document, chain: tuple[str, ...] = ()) -> Node:
    """The document laid over its parents."""
    extends = document.root.child("extends")
    if extends is None:
        return document.root
    if not isinstance(extends.value, str):
        raise HardwareFileError([Problem(extends.place, "extends", "expected one name")])
    here = f"{document.file}#{document.name}@{document.root.place.line}"
    if here in chain or len(chain) >= LONGEST_CHAIN:
        names = " -> ".join(step.split("#")[1].split("@")[0] for step in (*chain, here))
        fault = "goes in a circle" if here in chain else f"is a chain of more than {LONGEST_CHAIN}"
        raise HardwareFileError([Problem(extends.place, "extends", f"{fault}: {names}")])
    parent = find(extends.value, document, extends.place, "extends")
    if parent.kind != document.kind:
        message = f"'{parent.name}' is a {parent.kind}, and a {document.kind} can extend only a {document.kind}"
        raise HardwareFileError([Problem(extends.place, "extends", message)])
    return merge(inherit(parent, (*chain, here)), document.root)
