"""However a file is damaged, reading it gives a machine or a list of problems, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratagem.hwmodels import check_file
from stratagem.hwmodels.dump import yaml_text
from stratagem.hwmodels.locate import library_names
from stratagem.hwmodels.nodes import read_documents

TEXTS = {name: library_names()[name].read_text(encoding="utf-8") for name in ("h100-sxm", "upmem-rank", "h100-node")}
PLAIN = {name: read_documents(text, name)[0].plain() for name, text in TEXTS.items()}
STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "$x",
    "${x} B",
    "1 B",
    [],
    {},
    [[]],
    [{}],
    {"value": 1},
    {"in": {}},
]


def assert_checked(text: str, folder: Path) -> None:
    """The problems of a text all have a message and the file's name."""
    path = folder / "damaged.yaml"
    path.write_text(text, encoding="utf-8")
    for problem in check_file(path):
        assert problem.message
        assert problem.place.file
        assert str(problem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for damaged files."""
    return tmp_path_factory.mktemp("damaged")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_damaged_text(folder: Path, name: str, data: st.DataObject) -> None:
    text = TEXTS[name]
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 12))
    assert_checked(
        text[:start] + data.draw(st.text(alphabet="{}[]:,-&*!#$\"' x0\n", max_size=4)) + text[start + length :],
        folder,
    )


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values below a node."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path for key, child in children for path in [(*here, key), *paths(child, (*here, key))]]


def with_value(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with the value at `path` exchanged."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = with_value(copy[path[0]], path[1:], value)
    return copy


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PLAIN)), st.data())
def test_strange_values(folder: Path, name: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(PLAIN[name])))
    damaged = with_value(PLAIN[name], path, data.draw(st.sampled_from(STRANGE)))
    assert_checked(yaml_text([damaged]), folder)
