"""PyTorch's database of operators (in the torch wheel): float32 samples through `torch.compile(backend="stratagem")`.

One case is one operator with its first samples, compared as PyTorch's own tests compare them: after each sample's
`output_process_fn_grad`, which makes factors of matrices unique. The whole graph is captured (`fullgraph=True`), so a
case passes only where nothing of it ran in eager PyTorch.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import Any

import ml_dtypes
import numpy as np

from stratagem.runtime.errors import UnsupportedError
from tests.conformance.compare import Array, expect
from tests.conformance.outcome import Excluded, Wrong

TITLE = "PyTorch OpInfo, float32"
SOURCE = "torch.testing._internal.common_methods_invocations.op_db"
FLOOR = 0.80
SAMPLES = 3

_NO_FIXED_ANSWER = re.compile(
    r"^((new_)?empty\w*|jiterator\w*|cauchy|exponential|geometric|log_normal|normal|uniform|bernoulli|multinomial"
    r"|rand\w*|svd_lowrank|pca_lowrank|nn\.functional\.(rrelu|\w*dropout\w*))$"
)
"""Random numbers, memory as it was found, and operators that exist on GPUs only."""


@cache
def _operators() -> dict[str, Any]:
    import torch
    from torch.testing._internal import common_methods_invocations as database

    # Some operators come wrapped in one that seeds the generator, which the tracer does not take; `run` seeds it.
    database.wrapper_set_seed = lambda operator, *args, **kwargs: operator(*args, **kwargs)
    found = [op for op in database.op_db if torch.float32 in op.supported_dtypes("cpu")]
    return {f"{op.name}.{op.variant_test_name}".rstrip("."): op for op in found}


def names() -> list[str]:
    return list(_operators())


def run(name: str) -> None:
    import torch

    operator = _operators()[name]
    if _NO_FIXED_ANSWER.match(operator.name):
        raise Excluded("draws random numbers, or gives memory as it was found")
    torch.manual_seed(0)
    for sample in islice(operator.sample_inputs("cpu", torch.float32, requires_grad=False), SAMPLES):
        _run_sample(operator, sample)


def _run_sample(operator: Any, sample: Any) -> None:
    import torch
    from torch.utils import _pytree as pytree

    leaves, structure = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def call(*tensors: Any) -> Any:
        values = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            values[place] = tensor
        first, args, kwargs = pytree.tree_unflatten(values, structure)
        return operator.op(first, *args, **kwargs)

    with torch.no_grad():
        given = [leaves[i] for i in places]
        wanted = sample.output_process_fn_grad(call(*map(_copy, given)))
        got = tensors(sample.output_process_fn_grad(_compiled(call)(*map(_copy, given))))
        try:
            expect(got, tensors(wanted))
        except Wrong:
            expect(got, _more_exact(sample, call, given, tensors(wanted)))


def _more_exact(sample: Any, call: Any, given: list[Any], wanted: list[Array]) -> list[Array]:
    """The results computed in float64 and rounded: PyTorch's own in float32 can be the less exact ones."""
    wide = [_copy(tensor).double() if tensor.is_floating_point() else _copy(tensor) for tensor in given]
    try:
        found = tensors(sample.output_process_fn_grad(call(*wide)))
    except RuntimeError:
        return wanted
    return [value.astype(like.dtype) for value, like in zip(found, wanted, strict=True)]


def _copy(tensor: Any) -> Any:
    """Memory of its own, of which the tensor is the same view: some operators look behind a view."""
    import torch

    if tensor.layout is not torch.strided:
        return tensor.clone()
    memory = tensor.untyped_storage().clone()
    place = (tensor.storage_offset(), tensor.size(), tensor.stride())
    return torch.empty((0,), dtype=tensor.dtype).set_(memory, *place)


def _compiled(function: Any) -> Any:
    """`torch.compile` with our backend alone; what its tracer cannot capture whole is a refusal."""
    import torch
    from torch._dynamo.exc import TorchDynamoException

    from stratagem.api.torch_backend import register_torch_backend

    register_torch_backend()
    torch.compiler.reset()
    compiled = torch.compile(function, backend="stratagem", fullgraph=True)

    def run_whole(*tensors: Any) -> Any:
        try:
            return compiled(*tensors)
        except TorchDynamoException as error:
            first = str(error).strip().split("\n")[0]
            raise UnsupportedError(f"torch.compile does not capture the whole operator: {first}") from error

    return run_whole


def tensors(results: Any) -> list[Array]:
    import torch
    from torch.utils import _pytree as pytree

    found = [leaf for leaf in pytree.tree_leaves(results) if isinstance(leaf, (torch.Tensor, int, float, complex))]
    return [_array(leaf) for leaf in found]


def _array(value: Any) -> Array:
    import torch

    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    if value.dtype is torch.complex32:  # numpy has none
        value = torch.view_as_real(value)
    if value.dtype is torch.bfloat16:
        return np.asarray(value.detach().contiguous().view(torch.int16).numpy()).view(ml_dtypes.bfloat16)
    return np.asarray(value.detach().resolve_conj().resolve_neg().numpy())
