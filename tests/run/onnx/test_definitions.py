"""Operators that are spelled out in others, against onnxruntime; where it has no kernel, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import UnsupportedError
from tests.run.onnx.harness import check, floats, model_of

RESIZES = [
    'coordinate_transformation_mode="half_pixel", mode="cubic"',
    'coordinate_transformation_mode="half_pixel", mode="cubic", exclude_outside=1',
    'coordinate_transformation_mode="pytorch_half_pixel", mode="linear"',
    'coordinate_transformation_mode="align_corners", mode="cubic", cubic_coeff_a=-0.5',
    'coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="ceil"',
    'mode="linear", antialias=1',
    'mode="cubic", antialias=1, exclude_outside=1',
]


@pytest.mark.parametrize("sizes", [(5, 9), (1, 1), (3, 17)])
@pytest.mark.parametrize("given", RESIZES)
def test_resize_to_sizes(given: str, sizes: tuple[int, int]) -> None:
    text = f"g (float[1,2,7,7] x) => (float[1,2,P,Q] y) <int64[4] s = {{1, 2, {sizes[0]}, {sizes[1]}}}>"
    check(model_of(f"{text} {{ y = Resize<{given}>(x, , , s) }}"), {"x": floats(1, 2, 7, 7)})


def test_resize_by_scales_given_to_the_run() -> None:
    model = model_of('g (float[1,1,H,W] x, float[4] s) => (float[A,B,C,D] y) { y = Resize<mode="linear">(x, , s) }')
    for scales in ([1, 1, 0.6, 2], [1, 1, 3, 1], [1, 1, 1.3, 0.35]):
        check(model, {"x": floats(1, 1, 7, 5), "s": np.array(scales, np.float32)})


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grid_sample(mode: str, padding: str, corners: int) -> None:
    given = f'mode="{mode}", padding_mode="{padding}", align_corners={corners}'
    model = model_of(
        f"g (float[N,C,5,7] x, float[N,3,1,2] g) => (float[N,C,3,1] y) {{ y = GridSample<{given}>(x, g) }}"
    )
    check(model, {"x": floats(2, 3, 5, 7), "g": 1.2 * floats(2, 3, 1, 2)})


@pytest.mark.parametrize("corners", [0, 1])
def test_grid_sample_by_cubic_convolution(corners: int) -> None:
    given = f'mode="cubic", align_corners={corners}'
    model = model_of(
        f"g (float[N,C,5,7] x, float[N,3,1,2] g) => (float[N,C,3,1] y) {{ y = GridSample<{given}>(x, g) }}"
    )
    check(model, {"x": floats(2, 3, 5, 7), "g": floats(2, 3, 1, 2)})


CONVOLUTIONS = [
    "group=2, strides=[2, 3]",
    'group=2, auto_pad="SAME_UPPER", strides=[2, 2]',
    "group=4, pads=[1, 0, 0, 1], dilations=[2, 1]",
    "group=2, strides=[3, 2], output_padding=[2, 1], pads=[1, 1, 1, 1]",
    "group=1, strides=[3, 3], output_shape=[9, 14]",
]


@pytest.mark.parametrize("given", CONVOLUTIONS)
def test_transposed_convolution(given: str) -> None:
    model = model_of(
        f"g (float[2,4,3,5] x, float[4,3,3,2] w) => (float[A,B,C,D] y) {{ y = ConvTranspose<{given}>(x, w) }}"
    )
    check(model, {"x": floats(2, 4, 3, 5), "w": floats(4, 3, 3, 2)})


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_padding_given_to_the_run(mode: str) -> None:
    model = model_of(f'g (float[N,5] x, int64[4] p) => (float[P,Q] y) {{ y = Pad<mode="{mode}">(x, p) }}')
    for amounts in ([0, 0, 0, 0], [1, 2, 3, 4], [0, 3, 1, 0]):
        check(model, {"x": floats(7, 5), "p": np.array(amounts)})


@pytest.mark.parametrize("given", ["p=2, strides=[2, 1]", "p=1, pads=[1, 1, 0, 1]", 'p=3, auto_pad="SAME_UPPER"'])
def test_lp_pool(given: str) -> None:
    model = model_of(f"g (float[N,2,5,7] x) => (float[N,2,P,Q] y) {{ y = LpPool<kernel_shape=[3, 2], {given}>(x) }}")
    check(model, {"x": floats(3, 2, 5, 7)})


def test_max_unpool_after_max_pool() -> None:
    given = "kernel_shape=[2, 2], strides=[2, 2]"
    model = model_of(
        f"g (float[2,3,4,6] x) => (float[2,3,4,6] y) {{ p, i = MaxPool<{given}>(x)  y = MaxUnpool<{given}>(p, i) }}"
    )
    check(model, {"x": floats(2, 3, 4, 6)})


POOLS = ["strides=[2, 1]", "pads=[1, 0, 1, 1], storage_order=1", "dilations=[2, 1]", "strides=[2, 2], ceil_mode=1"]


@pytest.mark.parametrize("given", POOLS)
def test_places_of_maxima(given: str) -> None:
    pool = f"p, i = MaxPool<kernel_shape=[2, 3], {given}>(x)"
    check(model_of(f"g (float[2,3,5,7] x) => (float p, int64 i) {{ {pool} }}"), {"x": floats(2, 3, 5, 7)})


def test_places_of_maxima_of_free_sizes_are_refused() -> None:
    model = model_of("g (float[1,1,H,4] x) => (float p, int64 i) { p, i = MaxPool<kernel_shape=[2, 2]>(x) }")
    with pytest.raises(UnsupportedError, match="its indices need known sizes"):
        load_onnx(model, isolate=False)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("where", ["half_pixel", "output_half_pixel"])
def test_roi_align(mode: str, where: str) -> None:
    given = f'mode="{mode}", output_height=3, output_width=2, sampling_ratio=2, spatial_scale=0.5'
    given += f', coordinate_transformation_mode="{where}"'
    model = model_of(
        f"g (float[2,3,7,11] x, float[R,4] r, int64[R] b) => (float[R,3,3,2] y) {{ y = RoiAlign<{given}>(x, r, b) }}"
    )
    regions = np.array([[0, 0, 13, 9], [-3, 2, 30, 40], [5, 5, 5, 5]], np.float32)
    check(model, {"x": np.abs(floats(2, 3, 7, 11)), "r": regions, "b": np.array([1, 0, 1])})


def test_roi_align_with_as_many_samples_as_the_regions_need_is_refused() -> None:
    model = model_of("g (float[1,1,7,7] x, float[R,4] r, int64[R] b) => (float[R,1,1,1] y) { y = RoiAlign(x, r, b) }")
    with pytest.raises(UnsupportedError, match="RoiAlign"):
        load_onnx(model, isolate=False)


COLUMNS = {"strides=[1, 1]": 15, "strides=[2, 1]": 10, "pads=[1, 0, 1, 1]": 30, "dilations=[1, 2]": 12}


@pytest.mark.parametrize("given", COLUMNS)
def test_col2im(given: str) -> None:
    count = COLUMNS[given]
    text = f"g (float[2,18,{count}] x, int64[2] s, int64[2] b) => (float[A,B,C,D] y)"
    model = model_of(f"{text} {{ y = Col2Im<{given}>(x, s, b) }}")
    check(model, {"x": floats(2, 18, count), "s": np.array([5, 6]), "b": np.array([3, 2])})


@pytest.mark.parametrize("length", [1, 7, 12])
@pytest.mark.parametrize("inverse", [0, 1])
def test_dft_of_complex_numbers(length: int, inverse: int) -> None:
    model = model_of(
        f"g (float[2,N,3,2] x) => (float[2,M,3,2] y) <int64 a = {{1}}> {{ y = DFT<inverse={inverse}>(x, , a) }}"
    )
    x = floats(2, length, 3, 2)
    wanted = (np.fft.ifft if inverse else np.fft.fft)(x[..., 0] + 1j * x[..., 1], axis=1)
    (got,) = emulate(load_onnx(model, isolate=False), {"x": x})
    np.testing.assert_allclose(got, np.stack([wanted.real, wanted.imag], -1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [4, 7, 9])
def test_one_sided_dft_of_another_length(length: int) -> None:
    constants = f"<int64 n = {{{length}}}, int64 a = {{1}}>"
    model = model_of(f"g (float[2,7,1] x) => (float[2,M,2] y) {constants} {{ y = DFT<onesided=1>(x, n, a) }}")
    wanted = np.fft.rfft(floats(2, 7, 1)[..., 0], n=length, axis=1)
    (got,) = emulate(load_onnx(model, isolate=False), {"x": floats(2, 7, 1)})
    np.testing.assert_allclose(got, np.stack([wanted.real, wanted.imag], -1), rtol=1e-4, atol=1e-5)


def test_frames_of_a_signal() -> None:
    model = model_of(
        "g (float[2,L,1] x, float[8] w) => (float[2,F,5,2] y) <int64 s = {3}> { y = STFT<onesided=1>(x, s, w) }"
    )
    check(model, {"x": floats(2, 29, 1), "w": np.hanning(8).astype(np.float32)})


@pytest.mark.parametrize("shapes", [((4,), (2, 4, 3)), ((5, 2, 3, 4), (4,)), ((1,), (2, 1, 1))])
def test_products_with_vectors(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    left, right = shapes
    text = f"g (float[{','.join(map(str, left))}] x, float[{','.join(map(str, right))}] w) => (float y)"
    check(model_of(f"{text} {{ y = MatMul(x, w) }}"), {"x": floats(*left), "w": floats(*right, seed=1)})


def test_sequences_reversed_by_lengths() -> None:
    model = model_of(
        "g (float[T,B,2] x, int64[B] n) => (float[T,B,2] y) { y = ReverseSequence<time_axis=0, batch_axis=1>(x, n) }"
    )
    check(model, {"x": floats(5, 3, 2), "n": np.array([1, 5, 3])})


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64"])
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_shifts_by_any_amount(kind: str, direction: str) -> None:
    bits = np.iinfo(kind).bits
    model = model_of(
        f'g ({kind}[N,1] x, {kind}[M] s) => ({kind}[N,M] y) {{ y = BitShift<direction="{direction}">(x, s) }}'.replace(
            "21", "28"
        )
    )
    x, amounts = np.array([[1], [77], [100]], kind), np.array([0, 1, bits - 1, bits, bits + 1], kind)
    (got,) = emulate(load_onnx(model, isolate=False), {"x": x, "s": amounts})
    exact = [[(int(v) << int(s) if direction == "LEFT" else int(v) >> int(s)) for s in amounts] for (v,) in x]
    np.testing.assert_array_equal(got, (np.array(exact, object) % 2**bits).astype(f"uint{bits}").view(kind))
