"""Texts of small kernels in device form, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence

MULTIPLY_ADD = "%p = arith.mulf %x0, %x1 : f32\n%q = arith.addf %s, %p : f32\nlinalg.yield %q : f32"


def shape_text(shape: Sequence[int | None], dtype: str = "f32") -> str:
    """(None, 3), "f32" -> `?x3xf32`."""
    return "x".join([*("?" if n is None else str(n) for n in shape), dtype])


def structured(
    inputs: Sequence[str],
    output: str,
    maps: Sequence[str],
    kinds: str,
    body: str,
    fill: str | None = None,
    name: str = "k",
) -> str:
    """A kernel of one linalg.generic.

    Args:
        inputs, output: tensor shapes as text, `4x?xf32`. maps: affine maps, `(i,j)->(j)`, output's last.
        kinds: one letter per loop, `p` or `r`. body: uses %x0, %x1 ... and %s for the output's old element.
        fill: constant that the output starts with; None keeps what it holds.
    """
    element = output.split("x")[-1]
    arguments = ", ".join(f"%a{i}: tensor<{t}>" for i, t in enumerate(inputs))
    block = ", ".join([*(f"%x{i}: {t.split('x')[-1]}" for i, t in enumerate(inputs)), f"%s: {element}"])
    iterators = ", ".join('"parallel"' if k == "p" else '"reduction"' for k in kinds)
    spelled = ", ".join(f"affine_map<{m}>" for m in maps)
    operands = ", ".join(f"%a{i}" for i in range(len(inputs)))
    types = ", ".join(f"tensor<{t}>" for t in inputs)
    start = "%o"
    filling = ""
    if fill is not None:
        start = "%f"
        filling = (
            f"%z = arith.constant {fill} : {element}\n"
            f"%f = linalg.fill ins(%z : {element}) outs(%o : tensor<{output}>) -> tensor<{output}>"
        )
    ins = f"ins({operands} : {types})" if inputs else ""
    comma = ", " if inputs else ""
    return f"""func.func private @{name}({arguments}{comma}%o: tensor<{output}> {{device.dest}}) -> tensor<{output}> {{
      {filling}
      %r = linalg.generic {{indexing_maps = [{spelled}], iterator_types = [{iterators}]}}
        {ins} outs({start} : tensor<{output}>) {{
      ^bb0({block}):
        {body}
      }} -> tensor<{output}>
      return %r : tensor<{output}>
    }}"""


def matmul(m: int | None, n: int | None, k: int | None, turned_a: bool = False, turned_b: bool = False) -> str:
    """C[m,n] = sum A[m,k] B[k,n]; either operand stored transposed."""
    a = shape_text((k, m) if turned_a else (m, k))
    b = shape_text((n, k) if turned_b else (k, n))
    loops = "(i,j,k)"
    maps = [f"{loops}->({'k,i' if turned_a else 'i,k'})", f"{loops}->({'j,k' if turned_b else 'k,j'})"]
    return structured([a, b], shape_text((m, n)), [*maps, f"{loops}->(i,j)"], "ppr", MULTIPLY_ADD, "0.0")
