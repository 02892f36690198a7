"""Convolutions in the layouts that models bring: channels first and last, strided, dilated, grouped, depthwise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.run.cpu.harness import Array, Kernels
from tests.run.cpu.kernels import MULTIPLY_ADD, shape_text, structured

UNIT = 2.0**-24


def correlate(x: Array, w: Array, stride: int, dilation: int) -> Array:
    """The f64 reference: x [N,C,H,W], w [F,C,KH,KW]."""
    kh, kw = w.shape[2:]
    oh = (x.shape[2] - (kh - 1) * dilation - 1) // stride + 1
    ow = (x.shape[3] - (kw - 1) * dilation - 1) // stride + 1
    out = np.zeros((x.shape[0], w.shape[0], oh, ow))
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilation, j * dilation
            part = x[:, :, top : top + (oh - 1) * stride + 1 : stride, left : left + (ow - 1) * stride + 1 : stride]
            out += np.einsum("nchw,fc->nfhw", part.astype(np.float64), w[:, :, i, j].astype(np.float64))
    return out


def check(got: Array, x: Array, w: Array, stride: int, dilation: int = 1) -> None:
    terms = w[0].size
    bound = (terms + 2) * UNIT * correlate(np.abs(x), np.abs(w), stride, dilation) + 1e-37
    assert (np.abs(got - correlate(x, w, stride, dilation)) <= bound).all()


def data(*shapes: tuple[int, ...]) -> list[Array]:
    random = np.random.default_rng(sum(shapes[0]))
    return [random.standard_normal(s).astype(np.float32) for s in shapes]


CASES = [  # N, C, H, W, F, KH, KW, stride, dilation
    (1, 3, 9, 11, 5, 3, 3, 1, 1),
    (2, 4, 16, 16, 13, 3, 3, 2, 1),
    (1, 5, 33, 35, 7, 3, 2, 1, 1),
    (1, 8, 7, 7, 24, 1, 1, 1, 1),
    (2, 3, 20, 50, 12, 5, 5, 3, 1),
    (1, 2, 12, 40, 3, 3, 3, 1, 2),
]


@pytest.mark.parametrize("case", CASES)
def test_channels_first(case: tuple[int, ...]) -> None:
    n, c, h, w, f, kh, kw, s, d = case
    x, weights = data((n, c, h, w), (f, c, kh, kw))
    shape = correlate(x, weights, s, d).shape
    loops = "(n,f,h,w,c,p,q)"
    maps = [f"{loops}->(n,c,h*{s}+p*{d},w*{s}+q*{d})", f"{loops}->(f,c,p,q)", f"{loops}->(n,f,h,w)"]
    text = structured(
        [shape_text(x.shape), shape_text(weights.shape)],
        shape_text(shape),
        maps,
        "pppprrr",
        MULTIPLY_ADD,
        "0.0",
    )
    check(Kernels(text).guarded("k", x, weights, np.zeros(shape, np.float32))[0], x, weights, s, d)


@pytest.mark.parametrize("case", CASES[:4])
@pytest.mark.parametrize("filters_first", [False, True])
def test_channels_last(case: tuple[int, ...], filters_first: bool) -> None:
    n, c, h, w, f, kh, kw, s, d = case
    x, weights = data((n, c, h, w), (f, c, kh, kw))
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    stored = np.ascontiguousarray(weights.transpose((0, 2, 3, 1) if filters_first else (2, 3, 1, 0)))
    shape = tuple(correlate(x, weights, s, d).shape[i] for i in (0, 2, 3, 1))
    loops = "(n,h,w,f,p,q,c)"
    order = "f,p,q,c" if filters_first else "p,q,c,f"
    maps = [f"{loops}->(n,h*{s}+p*{d},w*{s}+q*{d},c)", f"{loops}->({order})", f"{loops}->(n,h,w,f)"]
    text = structured(
        [shape_text(last.shape), shape_text(stored.shape)],
        shape_text(shape),
        maps,
        "pppprrr",
        MULTIPLY_ADD,
        "0.0",
    )
    got = Kernels(text).guarded("k", last, stored, np.zeros(shape, np.float32))[0]
    check(got.transpose(0, 3, 1, 2), x, weights, s, d)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_and_grouped(stride: int) -> None:
    x, weights = data((2, 6, 11, 21), (6, 1, 3, 3))
    exact = np.concatenate([correlate(x[:, i : i + 1], weights[i : i + 1], stride, 1) for i in range(6)], 1)
    loops, at = "(n,c,h,w,p,q)", f"h*{stride}+p,w*{stride}+q"
    maps = [f"{loops}->(n,c,{at})", f"{loops}->(c,p,q)", f"{loops}->(n,c,h,w)"]
    text = structured([shape_text(x.shape), "6x3x3xf32"], shape_text(exact.shape), maps, "pppprr", MULTIPLY_ADD, "0.0")
    got = Kernels(text).guarded("k", x, weights[:, 0].copy(), np.zeros(exact.shape, np.float32))[0]
    assert np.abs(got - exact).max() <= 11 * UNIT * 9 * np.abs(x).max() * np.abs(weights).max()

    grouped, filters = x.reshape(2, 2, 3, 11, 21), data((2, 5, 3, 3, 3))[0]
    exact = np.stack([correlate(grouped[:, g], filters[g], stride, 1) for g in range(2)], 1)
    loops = "(n,g,f,h,w,c,p,q)"
    maps = [f"{loops}->(n,g,c,{at})", f"{loops}->(g,f,c,p,q)", f"{loops}->(n,g,f,h,w)"]
    text = structured(
        [shape_text(grouped.shape), shape_text(filters.shape)],
        shape_text(exact.shape),
        maps,
        "ppppprrr",
        MULTIPLY_ADD,
        "0.0",
    )
    got = Kernels(text).guarded("k", grouped, filters, np.zeros(exact.shape, np.float32))[0]
    assert np.abs(got - exact).max() <= 29 * UNIT * 27 * np.abs(x).max() * np.abs(filters).max()


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_largest_of_a_window(stride: int) -> None:
    x = data((2, 3, 12, 22))[0]
    window = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    exact = window.max((4, 5))
    loops = "(n,c,h,w,p,q)"
    maps = [f"{loops}->(n,c,h*{stride}+p,w*{stride}+q)", f"{loops}->(p,q)", f"{loops}->(n,c,h,w)"]
    body = "%m = arith.maximumf %x0, %s : f32\nlinalg.yield %m : f32"
    text = structured([shape_text(x.shape), "3x3xf32"], shape_text(exact.shape), maps, "pppprr", body, "0xFF800000")
    shape = np.zeros((3, 3), np.float32)
    got = Kernels(text).guarded("k", x, shape, np.zeros(exact.shape, np.float32))[0]
    assert (got == exact).all()
