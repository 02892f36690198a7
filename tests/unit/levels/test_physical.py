"""The physical contract refuses what it should, and says what and where."""

from __future__ import annotations

import pytest

from stratagem.compiler.ir import parse_module
from stratagem.compiler.levels.physical import _is_part, check_physical_level
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import PassError

CLAIM = 'device.kernel = {class = "generic-avx2", unit = "fma", function = "add"}'
REDUCE = 'llvm.emit_c_interface, physical.collective = {dtype = f32, kind = "all_reduce", reduction = "sum"}'
GOOD = f"""
func.func @main(%x: memref<8xf32> {{model.input = "x"}},
                %w: memref<3xf32> {{model.param = "w", system.shard = "node:0"}},
                %a: memref<64xi8> {{physical.arena = 64 : i64}}) -> (memref<8xf32> {{model.output = "y"}}) {{
  %c0 = arith.constant 0 : index
  %v = memref.view %a[%c0][] : memref<64xi8> to memref<8xf32>
  call @k(%x, %v) : (memref<8xf32>, memref<8xf32>) -> ()
  %y = memref.alloc() : memref<8xf32>
  call @reduce(%v, %y) : (memref<8xf32>, memref<8xf32>) -> ()
  return %y : memref<8xf32>
}}
func.func private @k(memref<8xf32>, memref<8xf32>) attributes {{llvm.emit_c_interface}}
func.func private @reduce(memref<8xf32>, memref<8xf32>) attributes {{{REDUCE}}}
module @host {{
  func.func private @k(%x: tensor<8xf32>, %o: tensor<8xf32> {{device.dest}}) -> tensor<8xf32> attributes {{{CLAIM}}} {{
    %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%s = %o) -> (tensor<8xf32>) {{
      %t = tensor.extract_slice %x[%i] [4] [1] : tensor<8xf32> to tensor<4xf32>
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %t into %s[%i] [4] [1] : tensor<4xf32> into tensor<8xf32>
      }}
    }} {{device.tier = "core"}}
    return %r : tensor<8xf32>
  }}
}}"""
WRONG = [
    ("module @host", "module @moon", "kernels for member 'moon', the system has host"),
    ("physical.arena = 64", "physical.arena = 128", "claims an arena of 128 bytes and uses 64"),
    ('"node:0"', '"ring:0"', "argument 1 of @main is cut over axis 'ring', the system has node"),
    ('"node:0"', '"node:1"', "argument 1 of @main is cut along dimension 1, it has 1"),
    ('model.param = "w"', 'model.input = "x"', "two inputs of @main are called 'x'"),
    (" attributes {llvm.emit_c_interface}", "", "@k is declared without llvm.emit_c_interface"),
    ("private @k(%x", "private @l(%x", "@k is declared, but no member has code for it"),
    ('class = "generic-avx2"', 'class = "h100"', "kernel @k is for 'h100', not for generic-avx2"),
    ('"fma", function', '"fma", tiles = "h100", function', "kernel @k is tiled for 'h100', not for generic-avx2"),
    ('device.tier = "core"', 'device.tier = "lane"', "scf.forall of tier 'lane'"),
    ('kind = "all_reduce"', 'kind = "broadcast"', "claims collective 'broadcast', the runtime has all_reduce"),
    ('kind = "all_reduce"', 'kind = "all_gather"', "claims all_gather with reduction 'sum', it takes no reduction"),
    ('kind = "all_reduce"', 'kind = "reduce_scatter"', "claims reduce_scatter from and to buffers memref<8xf32>"),
    ('reduction = "sum"', 'reduction = "prod"', "with reduction 'prod', it takes one of sum, max, min"),
    ("dtype = f32", "dtype = f64", "claims elements of f64 for buffers memref<8xf32>"),
]


def check(text: str) -> None:
    check_physical_level(parse_module(text), load_machine("two-hosts"))


def test_a_good_program_passes() -> None:
    check(GOOD)


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[w[2] for w in WRONG])
def test_what_breaks_the_contract_is_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(PassError, match=message):
        check(GOOD.replace(old, new, 1))


def test_a_kernel_is_declared_with_its_own_types() -> None:
    text = GOOD.replace("%x: tensor<8xf32>", "%x: tensor<9xf32>")
    text = text.replace("%x[%i] [4] [1] : tensor<8", "%x[%i] [4] [1] : tensor<9")
    said = "@k is declared with memref<8xf32>, memref<8xf32>, its kernel takes tensor<9xf32>"
    with pytest.raises(PassError, match=said):
        check(text)


def test_a_body_beside_main_is_refused() -> None:
    text = GOOD + "\nfunc.func private @extra(%x: memref<8xf32>) {\n  return\n}"
    with pytest.raises(PassError, match="function @extra has a body beside @main"):
        check(text)


@pytest.mark.parametrize(
    ("part", "whole", "is_part"),
    [
        ([4, 3], [8, 3], True),
        ([3], [8], False),
        ([4, 3], [8, 5], False),
        ([], [], False),
        ([0], [0], True),
        ([0], [8], False),
    ],
)
def test_which_buffers_are_parts(part: list[int], whole: list[int], is_part: bool) -> None:
    assert _is_part(part, whole) is is_part
