"""Checks the texts in a saved program that PyTorch evaluates or looks up while it rebuilds the graph.

Three kinds: symbolic sizes, which sympy evaluates as Python; operator names, which are looked up below
`torch`; and container types of inputs and outputs, whose modules would be imported.
"""

from __future__ import annotations

import json
import re
from typing import Any

from stratagem.runtime.errors import ModelError, UnsupportedError

EXPRESSION_LIMIT = 4096

_MODULE = re.compile(r"[\w.@]*,[\w.@]*,[\w.]*")
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?P<number>\d{1,19}(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)"
    r"|'(?:[A-Za-z_]\w*|[-+]?\d[\d.eE+-]*)'|\*\*|[-+*/(),=<>!&|~])"
)
_FUNCTIONS = frozenset(
    [
        "Symbol",
        "Integer",
        "Float",
        "Rational",
        "Add",
        "Mul",
        "Pow",
        "Max",
        "Min",
        "Mod",
        "Abs",
        "floor",
        "ceiling",
        "And",
        "Or",
        "Not",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
        "Equality",
        "Unequality",
        "StrictLessThan",
        "LessThan",
        "StrictGreaterThan",
        "GreaterThan",
        "Piecewise",
        "ExprCondPair",
        "FloorDiv",
        "ModularIndexing",
        "Where",
        "PythonMod",
        "CleanDiv",
        "CeilToInt",
        "FloorToInt",
        "CeilDiv",
        "LShift",
        "RShift",
        "PowByNatural",
        "FloatPow",
        "FloatTrueDiv",
        "IntTrueDiv",
        "IsNonOverlappingAndDenseIndicator",
        "TruncToFloat",
        "TruncToInt",
        "RoundToInt",
        "RoundDecimal",
        "ToFloat",
        "Identity",
    ]
)
_OPERATOR = re.compile(
    r"torch\.ops\.(?:aten|prims|prim|higher_order)\.\w+(?:\.\w+)?|_operator\.\w+|math\.\w+|torch\._?sym_\w+"
)
_CONTAINERS = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")


def check_program_text(content: Any, where: str) -> None:
    """Checks a program's description, in place: drops metadata but source lines and paths of modules, raises
    ModelError for unsafe texts."""
    if isinstance(content, list):
        for item in content:
            check_program_text(item, where)
    if not isinstance(content, dict):
        return
    _check_entry(content, where)
    for value in content.values():
        check_program_text(value, where)


def _check_entry(entry: dict[str, Any], where: str) -> None:
    if "expr_str" in entry:
        check_expression(entry["expr_str"], where)
    if "target" in entry and "inputs" in entry:
        check_operator(entry["target"], where)
        entry["metadata"] = {k: v for k, v in entry.get("metadata", {}).items() if k == "stack_trace" or _is_path(k, v)}
    for key in ("in_spec", "out_spec"):
        if key in entry:
            check_containers(entry[key], where)
    if entry.get("custom_obj_values"):
        raise ModelError(f"{where}: holds custom objects, which only code from the file's author can rebuild")


def _is_path(key: str, text: Any) -> bool:
    """Whether metadata are the modules around a node, in the form in which `torch.export` saves them."""
    return key == "nn_module_stack" and isinstance(text, str) and all(map(_MODULE.fullmatch, text.split(";")))


def check_expression(text: Any, where: str) -> None:
    """Raises ModelError unless a size expression is made of numbers, symbols, operators and known functions."""
    if not isinstance(text, str) or len(text) > EXPRESSION_LIMIT or text.count("**") > 1:
        raise ModelError(f"{where}: a size expression is not one: {str(text)[:60]!r}")
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ModelError(f"{where}: the size expression {text[:60]!r} holds {text[at : at + 10]!r}")
        name, at = match["name"], match.end()
        is_call = text[at:].lstrip().startswith("(")
        if name and ("__" in name or (is_call and name not in _FUNCTIONS)):
            raise ModelError(f"{where}: the size expression {text[:60]!r} calls '{name}'")


def check_operator(target: Any, where: str) -> None:
    """Raises UnsupportedError for operators other than PyTorch's own."""
    if not isinstance(target, str) or not _OPERATOR.fullmatch(target) or "__" in target.replace("__and__", ""):
        raise UnsupportedError(
            f"{where}: uses '{str(target)[:80]}', which is not an operator of PyTorch",
            hint="write custom operators with PyTorch's own before saving",
        )


def check_containers(text: Any, where: str) -> None:
    """Raises UnsupportedError for inputs or outputs in other containers than tuple, list and dict."""
    pending = [json.loads(text)[1]] if text else []
    while pending:
        spec = pending.pop()
        if spec["type"] is not None and spec["type"] not in _CONTAINERS:
            raise UnsupportedError(
                f"{where}: an input or output is a {spec['type']}",
                hint="return tuples, lists, dicts or tensors before saving",
            )
        pending.extend(spec["children_spec"])
