"""Edits of a program's border: parameters added to `@main`, arguments dropped from it."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes


def parameter_arguments(main: Any) -> dict[str, Any]:
    """The arguments of `@main` that are parameters, by name, in order."""
    names = argument_attributes(main, "model.param")
    arguments = main.regions[0].blocks[0].arguments
    return {name: value for name, value in zip(names, arguments, strict=True) if name is not None}


def parameter_name(main: Any, value: Any) -> str | None:
    """The parameter behind an argument of `@main` that carries no other claim; None for any other value."""
    if not isinstance(value.owner, ir.Block) or value.owner != main.regions[0].blocks[0]:
        return None
    entries = (
        ir.DictAttr(ir.ArrayAttr(main.attributes["arg_attrs"])[value.arg_number])
        if "arg_attrs" in main.attributes
        else {}
    )
    if len(entries) != 1 or "model.param" not in entries:
        return None
    return str(ir.StringAttr(entries["model.param"]).value)


def add_parameter(main: Any, name: str, kind: Any, location: Any) -> Any:
    """Appends an argument of type `kind` for parameter `name`; returns its value."""
    added = main.regions[0].blocks[0].add_argument(kind, location)
    attributes = list(ir.ArrayAttr(main.attributes["arg_attrs"])) if "arg_attrs" in main.attributes else []
    attributes += [ir.DictAttr.get({})] * (added.arg_number - len(attributes))
    attributes.append(ir.DictAttr.get({"model.param": ir.StringAttr.get(name)}))
    _write_arguments(main, attributes)
    return added


def drop_argument(main: Any, value: Any) -> None:
    """Removes an argument that nothing uses."""
    number = value.arg_number
    attributes = [a for i, a in enumerate(ir.ArrayAttr(main.attributes["arg_attrs"])) if i != number]
    main.regions[0].blocks[0].erase_argument(number)
    _write_arguments(main, attributes)


def _write_arguments(main: Any, attributes: list[Any]) -> None:
    results = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value).results
    kinds = [a.type for a in main.regions[0].blocks[0].arguments]
    main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(kinds, list(results)))
    main.attributes["arg_attrs"] = ir.ArrayAttr.get(attributes)
