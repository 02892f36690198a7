"""The tensor form an ONNX model lands in: names, parameters, locations, shape arithmetic gone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx.parser
from onnx import numpy_helper

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.ir import argument_attributes, find_function, result_attributes, to_text, walk
from stratagem.compiler.program import Program

HEADER = '<ir_version: 10, opset_import: ["" : 21]>'


def imported(text: str, **weights: Any) -> Program:
    model = onnx.parser.parse_model(HEADER + text)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in weights.items())
    return load_onnx(model, isolate=False)


def operations(program: Program) -> Counter[str]:
    return Counter(op.name for op in walk(program.module.operation))


def test_inputs_come_first_and_everything_is_named() -> None:
    program = imported(
        "net (float[n,70] tokens, float[70] scale) => (float out, float twice) "
        "{ h = MatMul(tokens, W)  out = Mul(h, scale)  twice = Add(out, out) }",
        W=np.ones((70, 70)),
    )
    main = find_function(program.module, "main")
    assert program.level == "tensor"
    assert argument_attributes(main, "model.input") == ["tokens", "scale", None]
    assert argument_attributes(main, "model.param") == [None, None, "W"]
    assert result_attributes(main, "model.output") == ["out", "twice"]


def test_constants_up_to_64_elements_stay_inside() -> None:
    program = imported("net (float[n,64] x) => (float y) { y = Add(x, b) }", b=np.arange(64))
    assert not program.parameters
    program = imported("net (float[n,65] x) => (float y) { y = Add(x, b) }", b=np.arange(65))
    assert list(program.parameters) == ["b"]
    assert np.array_equal(program.parameters["b"], np.arange(65))


def test_unused_and_repeated_weights() -> None:
    weights = {name: np.full(100, i) for i, name in enumerate("abc")}
    program = imported("net (float[n,100] x) => (float y) { h = Add(x, a)  y = Add(h, a) }", **weights)
    assert list(program.parameters) == ["a"]


def test_large_constant_of_equal_elements_costs_no_memory() -> None:
    program = imported(
        "net (float[1000] x) => (float y) <int64[1] n = {1000}> { z = ConstantOfShape(n)  y = Add(x, z) }"
    )
    assert not program.parameters


def test_initializer_that_is_also_an_input_is_a_parameter() -> None:
    model = onnx.parser.parse_model(HEADER + "net (float[n,70] x, float[70] b) => (float y) { y = Add(x, b) }")
    model.graph.initializer.append(numpy_helper.from_array(np.ones(70, np.float32), "b"))
    program = load_onnx(model, isolate=False)
    assert argument_attributes(find_function(program.module, "main"), "model.input") == ["x", None]
    assert list(program.parameters) == ["b"]


def test_node_names_are_source_locations() -> None:
    model = onnx.parser.parse_model(
        HEADER + "net (float[n,70] x) => (float y) { h = MatMul(x, W)  r = Reshape(h, s)  y = Relu(r) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((70, 6), np.float32), "W"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3]), "s"))
    for node, name in zip(model.graph.node, ("block1/fc", "block1/split", "block1/act"), strict=True):
        node.name = name
    program = load_onnx(model, isolate=False)
    where = {op.name: str(op.location) for op in walk(program.module.operation)}
    assert where["linalg.matmul"] == 'loc("block1/fc")'
    assert where["tensor.expand_shape"] == 'loc("block1/split")'
    assert where["arith.cmpf"] == 'loc("block1/act")'
    assert '"block1/act"' in to_text(program.module)


def test_shape_arithmetic_leaves_no_tensor_behind() -> None:
    program = imported("""
net (float[batch,seq,8] x) => (float y) <int64 zero = {0}, int64 one = {1}, int64[2] heads = {2, 4}> {
  shape = Shape(x)  b = Gather(shape, zero)  s = Gather(shape, one)
  axis = Constant<value_ints = [0]>()
  b1 = Unsqueeze(b, axis)  s1 = Unsqueeze(s, axis)
  wanted = Concat<axis = 0>(b1, s1, heads)
  y = Reshape(x, wanted)
}""")
    found = operations(program)
    assert found["tensor.expand_shape"] == 1
    assert not {"tensor.concat", "tensor.extract", "tensor.from_elements", "tensor.reshape"} & set(found)


def test_older_operator_set_is_raised() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 6, opset_import: ["" : 9]> net (float[n,3,1] x) => (float y) { y = Squeeze<axes = [2]>(x) }'
    )
    assert operations(load_onnx(model, isolate=False))["tensor.collapse_shape"] == 1


def test_local_functions_are_inlined() -> None:
    model = onnx.parser.parse_model("""
<ir_version: 10, opset_import: ["" : 21, "local" : 1]>
net (float[n,4] x) => (float y) { y = local.twice(x) }
<domain: "local", opset_import: ["" : 21]> twice (v) => (w) { w = Add(v, v) }
""")
    program = load_onnx(model, isolate=False)
    assert operations(program)["arith.addf"] == 1
