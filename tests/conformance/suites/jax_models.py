"""Small JAX models of the usual libraries with seeded weights, a training step, programs of sorts and transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.compare import Array
from tests.conformance.outcome import Excluded
from tests.conformance.suites.jax_harness import compare_with_jax

TITLE = "JAX models"
SOURCE = "flax, equinox, jax.numpy"
FLOOR = 1.0

Model = tuple[Callable[..., Any], list[Array]]


def names() -> list[str]:
    return list(MODELS)


def run(name: str) -> None:
    try:
        function, arguments = MODELS[name]()
    except ModuleNotFoundError as error:
        raise Excluded(f"{error.name} is not installed") from error
    compare_with_jax(function, arguments)


def _normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _flax(module: Any, *arguments: Array) -> Model:
    import jax

    variables = module.init(jax.random.key(7), *arguments)
    return (lambda *values: module.apply(variables, *values)), list(arguments)


def flax_mlp() -> Model:
    from flax import linen

    layers = [linen.Dense(37), linen.gelu, linen.LayerNorm(), linen.Dense(20), linen.swish, linen.Dense(3)]
    return _flax(linen.Sequential(layers), _normal(5, 11))


def flax_convolutions() -> Model:
    from flax import linen

    layers = [
        linen.Conv(9, (3, 3)),
        linen.BatchNorm(use_running_average=True),
        linen.relu,
        lambda x: linen.max_pool(x, (2, 2), (2, 2)),
        linen.Conv(12, (3, 3), strides=2, feature_group_count=3),
        linen.GroupNorm(4),
        lambda x: linen.avg_pool(x, (3, 3), (2, 2), padding="SAME"),
        lambda x: x.reshape(x.shape[0], -1),
        linen.Dense(7),
    ]
    return _flax(linen.Sequential(layers), _normal(2, 17, 17, 3))


def flax_attention() -> Model:
    from flax import linen

    class Block(linen.Module):  # type: ignore[misc]
        @linen.compact
        def __call__(self, x: Any) -> Any:
            mask = linen.make_causal_mask(x[..., 0])
            x = x + linen.MultiHeadDotProductAttention(num_heads=3)(linen.LayerNorm()(x), mask=mask)
            return x + linen.Dense(x.shape[-1])(linen.gelu(linen.Dense(29)(linen.LayerNorm()(x))))

    return _flax(Block(), _normal(2, 13, 24))


def flax_embedding() -> Model:
    from flax import linen

    layers = [linen.Embed(31, 16), linen.Dense(5)]
    return _flax(linen.Sequential(layers), np.array([[0, 30, 7], [2, 2, 11]], np.int32))


def flax_lstm() -> Model:
    from flax import linen

    return _flax(linen.RNN(linen.OptimizedLSTMCell(10)), _normal(3, 7, 5))


def flax_gru() -> Model:
    from flax import linen

    return _flax(linen.Bidirectional(linen.RNN(linen.GRUCell(6)), linen.RNN(linen.GRUCell(6))), _normal(2, 5, 4))


def equinox_mlp() -> Model:
    import equinox
    import jax

    model = equinox.nn.MLP(9, 4, 23, 2, key=jax.random.key(1))
    return jax.vmap(model), [_normal(7, 9)]


def equinox_attention() -> Model:
    import equinox
    import jax

    attention = equinox.nn.MultiheadAttention(2, 16, key=jax.random.key(2))
    rotary = equinox.nn.RotaryPositionalEmbedding(8)

    def rotated(query: Any, key: Any, value: Any) -> Any:
        return jax.vmap(rotary, 1, 1)(query), jax.vmap(rotary, 1, 1)(key), value

    return (lambda x: attention(x, x, x, process_heads=rotated)), [_normal(11, 16)]


def equinox_convolutions() -> Model:
    import equinox
    import jax

    first, second = jax.random.split(jax.random.key(3))
    layers = [
        equinox.nn.Conv2d(3, 8, 3, padding=1, key=first),
        equinox.nn.GroupNorm(2, 8),
        equinox.nn.Lambda(jax.nn.silu),
        equinox.nn.ConvTranspose2d(8, 4, 3, stride=2, key=second),
        equinox.nn.AdaptiveAvgPool2d((5, 5)),
    ]
    return jax.vmap(equinox.nn.Sequential(layers)), [_normal(2, 3, 11, 11)]


def equinox_gru() -> Model:
    import equinox
    import jax

    cell = equinox.nn.GRUCell(5, 8, key=jax.random.key(4))

    def last(sequence: Any) -> Any:
        return jax.lax.scan(lambda state, x: (cell(x, state), state), jax.numpy.zeros(8), sequence)

    return last, [_normal(9, 5)]


def training_step() -> Model:
    import jax
    from jax import numpy as jnp

    weights = {"hidden": _normal(13, 21, seed=2), "out": _normal(21, 3, seed=3)}

    def loss(weights: Any, x: Any, y: Any) -> Any:
        logits = jnp.tanh(x @ weights["hidden"]) @ weights["out"]
        return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits) * y, axis=-1))

    def step(x: Any, y: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(weights, x, y)
        return value, jax.tree.map(lambda w, g: w - 0.1 * g, weights, gradient)

    return step, [_normal(8, 13), np.eye(3, dtype=np.float32)[np.arange(8) % 3]]


def convolution_gradient() -> Model:
    import jax
    from jax import numpy as jnp

    def loss(filters: Any, x: Any) -> Any:
        y = jax.lax.conv_general_dilated(x, filters, (2, 2), "SAME")
        pooled = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return jnp.sum(pooled**2)

    return jax.grad(loss, argnums=(0, 1)), [_normal(4, 3, 3, 3), _normal(2, 3, 9, 9, seed=1)]


def sorting() -> Model:
    import jax
    from jax import numpy as jnp

    def orders(x: Any) -> Any:
        keys = jnp.round(x)
        return (
            jnp.sort(x, axis=0),
            jnp.argsort(x, axis=-1),
            jax.lax.top_k(x, 3),
            jnp.lexsort((x[0], keys[0])),
            jnp.cumsum(x, axis=0),
            jnp.argmax(x, axis=1),
            jnp.median(x, axis=1),
        )

    return orders, [_normal(6, 11)]


def fourier_transforms() -> Model:
    from jax import numpy as jnp

    def transforms(x: Any) -> Any:
        spectrum = jnp.fft.rfft(x)
        return jnp.abs(spectrum) ** 2, jnp.fft.irfft(spectrum * 0.5, n=x.shape[-1]), jnp.fft.fft2(x).real

    return transforms, [_normal(3, 35)]


def complex_rotation() -> Model:
    from jax import numpy as jnp

    def rotate(x: Any, angle: Any) -> Any:
        pairs = x[..., ::2] + 1j * x[..., 1::2]
        return pairs * jnp.exp(1j * angle), jnp.angle(pairs), jnp.conj(pairs).imag

    return rotate, [_normal(5, 8), _normal(4, seed=1)]


def random_numbers() -> Model:
    import jax

    def draw(seed: Any) -> Any:
        key = jax.random.key(seed)
        return jax.random.normal(key, (7,)), jax.random.randint(key, (5,), 0, 100), jax.random.permutation(key, 11)

    return draw, [np.array(42, np.int32)]


def linear_solve() -> Model:
    import jax
    from jax import numpy as jnp

    def solve(a: Any, b: Any) -> Any:
        spd = a @ a.T + 5 * jnp.eye(a.shape[0])
        return jnp.linalg.cholesky(spd), jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(spd), b)

    return solve, [_normal(5, 5), _normal(5, 2, seed=1)]


def segments() -> Model:
    """A graph convolution: messages along edges, summed at their targets."""
    import jax

    def convolve(nodes: Any, sources: Any, targets: Any) -> Any:
        sums = jax.ops.segment_sum(nodes[sources], targets, num_segments=nodes.shape[0])
        peaks = jax.ops.segment_max(nodes[sources], targets, num_segments=nodes.shape[0])
        return sums, peaks

    edges = np.random.default_rng(5).integers(0, 9, (2, 23)).astype(np.int32)
    return convolve, [_normal(9, 4), edges[0], edges[1]]


MODELS: dict[str, Callable[[], Model]] = {
    build.__name__: build
    for build in (
        flax_mlp,
        flax_convolutions,
        flax_attention,
        flax_embedding,
        flax_lstm,
        flax_gru,
        equinox_mlp,
        equinox_attention,
        equinox_convolutions,
        equinox_gru,
        training_step,
        convolution_gradient,
        sorting,
        fourier_transforms,
        complex_rotation,
        random_numbers,
        linear_solve,
        segments,
    )
}
