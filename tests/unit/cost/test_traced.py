"""Programs as workloads: what is counted, what is fused, and where layers are found."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.counting import count_operations
from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.search import best_plan
from stratagem.compiler.cost.step import inference_step, training_step
from stratagem.compiler.cost.traced import Stretch, TracedWorkload, repeated, traced_workload
from stratagem.compiler.cost.workload import Cut, Exchange, Product, Stream
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import System
from stratagem.runtime.errors import ModelError
from tests.unit.sharding.programs import MLP


def stack(layers: int) -> str:
    """Products of [3, 7] and [7, 7], each with a bias and a maximum fused behind it, and a sum of rows at the end."""
    weights = ", ".join(
        f'%w{n}: tensor<7x7xf32> {{model.param = "w{n}"}}, %b{n}: tensor<7xf32> {{model.param = "b{n}"}}'
        for n in range(layers)
    )
    body = ""
    for n in range(layers):
        source = f"%a{n - 1}" if n else "%x"
        body += f"""
  %h{n} = linalg.matmul ins({source}, %w{n} : tensor<3x7xf32>, tensor<7x7xf32>)
      outs(%f : tensor<3x7xf32>) -> tensor<3x7xf32>
  %a{n} = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
                                         affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}}
      ins(%h{n}, %b{n} : tensor<3x7xf32>, tensor<7xf32>) outs(%e : tensor<3x7xf32>) {{
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    %m = math.exp %s : f32
    linalg.yield %m : f32
  }} -> tensor<3x7xf32>"""
    return f"""
func.func @main(%x: tensor<3x7xf32> {{model.input = "x"}}, {weights}) -> (tensor<3xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x7xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>{body}
  %r = tensor.empty() : tensor<3xf32>
  %z = linalg.fill ins(%zero : f32) outs(%r : tensor<3xf32>) -> tensor<3xf32>
  %y = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                       iterator_types = ["parallel", "reduction"]}}
      ins(%a{layers - 1} : tensor<3x7xf32>) outs(%z : tensor<3xf32>) {{
  ^bb0(%p: f32, %o: f32):
    %s = arith.addf %p, %o : f32
    linalg.yield %s : f32
  }} -> tensor<3xf32>
  return %y : tensor<3xf32>
}}
"""


def traced(text: str) -> TracedWorkload:
    return TracedWorkload("stack", Program(parse_module(text)))


def test_products_take_elementwise_work_along() -> None:
    module = parse_module(stack(1))
    product, total = count_operations(find_function(module, "main"), [False, True, True], "bf16")
    assert (product.shape, product.weights, product.parameters) == ((1, 3, 7, 7), True, 56)
    assert (product.moved, product.fixed, product.written) == (0, 14, 42)  # the bias is a parameter, in bf16
    assert (product.simple, product.special) == (21, 21)
    assert (total.shape, total.moved, total.simple, total.parameters) == ((), 42 + 6, 21, 0)


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_equal_layers_are_found(layers: int) -> None:
    workload = traced(stack(layers))
    assert (workload.layers, workload.parameters) == (layers, layers * 56)
    head, layer, tail = workload.cut(Cut(3))
    assert head.steps == ()
    assert [type(step) for step in layer.steps] == [Product]
    assert [type(step) for step in tail.steps] == [Stream]
    assert workload.flops == layers * 2 * 7 * 7


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", Stretch(0, 0, 1)),
        ("a", Stretch(0, 1, 1)),
        ("abc", Stretch(0, 3, 1)),
        ("xababab", Stretch(1, 2, 3)),
        ("xaaaay", Stretch(1, 1, 4)),
        ("abcabcabx", Stretch(0, 3, 2)),
        ("qabababaz", Stretch(1, 2, 3)),
    ],
)
def test_repeated_stretches(keys: str, expected: Stretch) -> None:
    assert repeated(list(keys)) == expected


def test_more_samples_are_more_rows() -> None:
    workload = traced(stack(2))
    (product,) = workload.cut(Cut(9))[1].steps
    assert isinstance(product, Product)
    assert (product.batch, product.rows, product.columns, product.depth) == (1, 9, 7, 7)
    assert "batches of 3, which 4 is no multiple of" in workload.refusal(Cut(4))


def test_tensor_ranks_are_those_the_compiler_would_cut(grid: System) -> None:
    workload = traced_workload("mlp", Program(parse_module(MLP)), grid, dtype="bf16")
    layer = workload.cut(Cut(8, 2))[1]
    whole = workload.cut(Cut(8))[1]
    assert any(isinstance(step, Exchange) for step in layer.steps) or layer.steps == whole.steps
    with_tensor = traced(MLP).refusal(Cut(8, 2))
    assert with_tensor == "the system has no link between devices"
    assert "tensors only" in workload.refusal(Cut(8, 2, True))


def test_parameters_through_views_and_transpositions_cost_nothing() -> None:
    text = """
func.func @main(%x: tensor<2x5x3xf32> {model.input = "x"}, %w: tensor<7x3xf32> {model.param = "w"})
    -> (tensor<2x5x7xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x7xf32>
  %t = linalg.transpose ins(%w : tensor<7x3xf32>) outs(%e : tensor<3x7xf32>) permutation = [1, 0]
  %g = tensor.empty() : tensor<2x3x7xf32>
  %b = linalg.broadcast ins(%t : tensor<3x7xf32>) outs(%g : tensor<2x3x7xf32>) dimensions = [0]
  %o = tensor.empty() : tensor<2x5x7xf32>
  %f = linalg.fill ins(%zero : f32) outs(%o : tensor<2x5x7xf32>) -> tensor<2x5x7xf32>
  %y = linalg.batch_matmul ins(%x, %b : tensor<2x5x3xf32>, tensor<2x3x7xf32>)
      outs(%f : tensor<2x5x7xf32>) -> tensor<2x5x7xf32>
  return %y : tensor<2x5x7xf32>
}
"""
    module = parse_module(text)
    (product,) = count_operations(find_function(module, "main"), [False, True], "f32")
    assert (product.shape, product.weights, product.parameters) == ((1, 10, 7, 3), True, 21)


def test_steps_of_a_traced_model(model: Model) -> None:
    workload = traced(stack(4))
    workload.dtype = "bf16"
    found = best_plan(model, workload, 2, 12, "training")
    assert found is not None and found.cost.fits
    plan = Plan(pipeline=2, batch=12, microbatch=3)
    assert training_step(model, workload, plan).seconds > inference_step(model, workload, plan).seconds > 0


def test_free_sizes_are_refused_by_name() -> None:
    text = """
func.func @main(%x: tensor<?x7xf32> {model.input = "x"}) -> (tensor<?x7xf32> {model.output = "y"}) {
  return %x : tensor<?x7xf32>
}
"""
    with pytest.raises(ModelError, match=r"'x' has free sizes \[None, 7\]"):
        traced(text)


def test_a_program_that_computes_nothing() -> None:
    text = """
func.func @main(%x: tensor<2x7xf32> {model.input = "x"}) -> (tensor<2x7xf32> {model.output = "y"}) {
  return %x : tensor<2x7xf32>
}
"""
    with pytest.raises(ModelError, match="computes nothing"):
        traced(text)
