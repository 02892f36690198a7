"""PyTorch models at the tensor level: form, names, parameters, values (by the reference interpreter)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from stratagem.compiler.frontends.torch import import_torch, load_torch
from stratagem.compiler.frontends.torch_parameters import to_numpy
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import location_text, walk
from stratagem.compiler.program import Program
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import StratagemError

FREE = torch.export.Dim.DYNAMIC


def names(program: Program) -> tuple[list[str], list[str], list[str]]:
    """Inputs, outputs, parameters."""
    signature = signature_of(program.module)
    return ([s.name for s in signature.inputs], [s.name for s in signature.outputs], list(program.parameters))


def check(model: Any, *examples: Any, others: tuple[Any, ...] = (), dynamic: Any = None) -> Program:
    """Loads for the examples; compares the program with PyTorch on `others`, the examples unless given."""
    program = load_torch(model, examples, dynamic)
    args = others or examples
    with torch.no_grad():
        wanted = model(*args)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    got = emulate(program, [to_numpy(a) for a in args if isinstance(a, torch.Tensor)])
    tolerance = 3e-2 if any(w.dtype in (torch.bfloat16, torch.float16) for w in wanted) else 1e-5
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(g, np.float64), to_numpy(w).astype(np.float64), tolerance, tolerance)
    return program


class Tied(nn.Module):  # type: ignore[misc]
    """Two layers with one weight, a buffer that is saved and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
        self.second.weight = self.first.weight
        self.register_buffer("scale", torch.rand(100))
        self.register_buffer("shift", torch.rand(100), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)) * self.scale[:5] + self.shift[:5]


def test_parameters_have_the_modules_names_and_tied_weights_are_stored_once() -> None:
    inputs, outputs, parameters = names(check(Tied(), torch.randn(3, 5)))
    assert (inputs, outputs) == (["x"], ["output"])
    assert sorted(parameters) == ["first.bias", "first.weight", "scale", "second.bias", "shift"]


def test_parameters_share_memory_with_the_module() -> None:
    model = nn.Linear(64, 64)
    program = load_torch(model, (torch.randn(2, 64),))
    assert np.shares_memory(program.parameters["weight"], model.weight.detach().numpy())


def test_no_weight_is_inside_the_program() -> None:
    program = load_torch(nn.Linear(64, 64), (torch.randn(2, 64),))
    assert len(str(program.module)) < 4000


def test_small_constants_stay_inside_and_large_ones_become_parameters() -> None:
    small, large = torch.arange(3.0), torch.rand(65)
    program = check(lambda x: (x[:3] * small, x + large), torch.rand(65))
    assert [a.size for a in program.parameters.values()] == [65]


def test_names_follow_containers_and_keywords() -> None:
    def model(batch: dict[str, Any], *rest: Any, scale: Any) -> Any:
        return {"logits": batch["image"] * scale, "parts": [rest[0], rest[1] + 1]}

    x = torch.ones(2)
    loaded = import_torch(model, ({"image": x}, x, x), kwargs={"scale": x})
    assert names(loaded.program)[:2] == (
        ["batch.image", "rest.0", "rest.1", "scale"],
        ["logits", "parts.0", "parts.1"],
    )


def test_python_values_are_part_of_the_program() -> None:
    program = load_torch(lambda x, n, flag: x * n if flag else x, (torch.ones(3), 4, True))
    assert names(program)[0] == ["x"]
    assert emulate(program, [np.ones(3, np.float32)])[0].tolist() == [4, 4, 4]


def test_changed_buffers_come_in_and_go_out() -> None:
    model = nn.BatchNorm1d(3)
    loaded = import_torch(model, (torch.randn(5, 3),))
    state = ["running_mean", "running_var", "num_batches_tracked"]
    assert names(loaded.program)[:2] == (["input", *state], ["output", *state])
    x = torch.randn(5, 3)
    results = emulate(loaded.program, [x.numpy(), *loaded.state.values()])
    model(x)
    np.testing.assert_allclose(results[2], model.running_var.numpy(), rtol=1e-5)
    assert int(results[3]) == 1


def test_changed_arguments_go_out_under_their_name() -> None:
    def model(cache: Any, x: Any) -> Any:
        cache[1:2] = x
        return cache.sum()

    program = load_torch(model, (torch.zeros(3), torch.ones(1)))
    assert names(program)[1] == ["output", "cache"]
    total, cache = emulate(program, [np.zeros(3, np.float32), np.ones(1, np.float32)])
    assert (float(total), cache.tolist()) == (1, [0, 1, 0])


def test_source_lines_survive_to_linalg() -> None:
    def model(x: Any) -> Any:
        return torch.tanh(x)

    program = load_torch(model, (torch.ones(3),))
    line = model.__code__.co_firstlineno + 1
    generic = next(op for op in walk(program.module.operation) if op.name == "linalg.generic")
    assert f'test_torch_import.py":{line}:' in str(generic.location)


def test_modules_of_torch_are_known_by_their_path() -> None:
    """No frame of the user's is in such a model, so its modules say which part of it an operation is."""
    inner = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(3, 5))
    program = load_torch(torch.nn.Sequential(inner, torch.nn.Sigmoid()), (torch.ones(2, 3),))
    places = [location_text(op) for op in walk(program.module.operation) if op.name.startswith("linalg.")]
    assert {"0.0", "0.1", "1"} <= set(places)


def test_a_line_of_the_user_comes_before_a_modules_path() -> None:
    class Model(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.tanh(x)

    program = load_torch(torch.nn.Sequential(Model()), (torch.ones(3),))
    generic = next(op for op in walk(program.module.operation) if op.name == "linalg.generic")
    line = Model.forward.__code__.co_firstlineno + 1
    assert location_text(generic).endswith(f"test_torch_import.py:{line}:0")


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_free_batch_runs_at_other_sizes(rows: int) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8))
    program = check(model, torch.randn(3, 6), others=(torch.randn(rows, 6),), dynamic=({0: FREE},))
    assert signature_of(program.module).inputs[0].shape == (None, 6)


def test_linear_over_two_free_dimensions() -> None:
    x, y = torch.randn(2, 3, 8), torch.randn(4, 5, 8)
    check(nn.Linear(8, 3), x, others=(y,), dynamic=({0: FREE, 1: FREE},))


def test_attention_with_free_batch_and_length() -> None:
    class Heads(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(8, 24)

        def forward(self, x: Any) -> Any:
            b, s, _ = x.shape
            q, k, v = self.qkv(x).view(b, s, 3, 2, 4).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return y.transpose(1, 2).reshape(b, s, 8)

    x, y = torch.randn(2, 3, 8), torch.randn(3, 5, 8)
    check(Heads(), x, others=(y,), dynamic=({0: FREE, 1: FREE},))


def test_sizes_as_outputs() -> None:
    program = load_torch(lambda x: (x + 1, x.shape[0]), (torch.ones(3, 2),), ({0: FREE},))
    assert int(emulate(program, [np.ones((5, 2), np.float32)])[1]) == 5


def test_free_integers_are_inputs() -> None:
    program = load_torch(lambda x, n: x * n, (torch.ones(3), 4), (None, FREE))
    assert names(program)[0] == ["x", "n"]
    assert emulate(program, [np.ones(3, np.float32), np.asarray(7)])[0].tolist() == [7, 7, 7]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8"])
def test_dtypes(dtype: str) -> None:
    kind = getattr(torch, dtype)
    check(lambda x, y: (x * y + x, x.to(torch.float32).sum(-1)), *(torch.arange(6).reshape(2, 3).to(kind),) * 2)


def test_booleans() -> None:
    x = torch.tensor([True, False, True])
    check(lambda a, b: (a & b, a.sum(), ~a), x, x.flip(0))


def test_unsigned_bytes_convert_as_unsigned() -> None:
    x = torch.tensor([0, 1, 200, 255], dtype=torch.uint8)
    program = check(lambda a: a.float() / 255, x)
    assert "model.unsigned" in str(program.module)


def test_a_function_finds_the_modules_it_uses() -> None:
    layer = nn.Linear(4, 4)
    assert sorted(names(check(lambda x: layer(x), torch.randn(2, 4)))[2]) == ["layer.bias", "layer.weight"]


def test_sizes_that_must_be_equal_are_asserted() -> None:
    program = load_torch(lambda x, y: x @ y.T, (torch.ones(3, 4), torch.ones(3, 4)), ({1: FREE}, {1: FREE}))
    rows = [np.ones((3, n), np.float32) for n in (5, 6)]
    assert emulate(program, [rows[0], rows[0]])[0].shape == (3, 3)
    with pytest.raises(StratagemError, match="dimension 1 of 'x' and dimension 1 of 'y' must be equal"):
        emulate(program, rows)


def test_smallest_sizes_are_asserted() -> None:
    length = torch.export.Dim("length", min=4)
    program = load_torch(lambda x: x[:4] * 2, (torch.ones(6),), ({0: length},))
    assert emulate(program, [np.ones(4, np.float32)])[0].tolist() == [2] * 4
    with pytest.raises(StratagemError, match="dimension 0 of 'x' must be at least 4"):
        emulate(program, [np.ones(3, np.float32)])
