"""Transformers of a named architecture as workloads: decoder stacks as in GPT, by their sizes alone.

Operations, kept activations and exchanges of a layer follow Korthikanti et al., "Reducing Activation Recomputation in
Large Transformer Models", arXiv:2205.05198, sections 3 and 4 (activations of a layer: `sbh (34 + 5 a s / h)` bytes in
16 bits), and Narayanan et al., arXiv:2104.04473, section 2 (tensor parallelism) and 4.2 (fused kernels).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stratagem.compiler.cost.device import BYTES
from stratagem.compiler.cost.workload import Block, Cut, Exchange, Product, Step, Stream, Workload
from stratagem.runtime.errors import UsageError

MASK = 1
"""Bytes of one element of a dropout mask."""
SUM = 4
"""Bytes of a logit in the loss."""
LOSS_FORWARD = 46
"""Bytes moved for each logit by a cross-entropy in 32 bits, pass by pass: cast (2 + 4), maximum (4), copy and subtract
(8 + 8), exponential (8), sum (4), division (8)."""
LOSS_BACKWARD = 14
"""Its gradient: product (8) and cast (4 + 2)."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of a decoder stack.

    Attributes:
        hidden, layers, heads, vocabulary, sequence: as usual. feedforward: inner size of the MLP, 4 x hidden by
        default. groups: heads of keys and values, as many as heads by default. head: elements of one head, by default
        such that all heads together have the hidden size. gated: whether the MLP multiplies two inner products
        (SwiGLU). tied: whether words in and out share a table. dropout: whether there are dropout layers.
        fused_attention: whether scores stay on chip (FlashAttention) or go through memory. shared_reads: whether heads
        that share keys and values read them together, once, or each by itself.
    """

    hidden: int
    layers: int
    heads: int
    sequence: int
    vocabulary: int
    feedforward: int = 0
    groups: int = 0
    head: int = 0
    gated: bool = False
    tied: bool = True
    dropout: bool = True
    fused_attention: bool = False
    shared_reads: bool = True

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "heads", "sequence", "vocabulary"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; a transformer needs at least 1")
        if not self.head and self.hidden % self.heads:
            raise UsageError(
                f"{self.heads} heads do not divide a hidden size of {self.hidden}",
                hint="let heads divide it, or give the size of a head",
            )
        if self.heads % self.kv_heads:
            raise UsageError(f"{self.kv_heads} groups do not divide {self.heads} heads", hint="groups divide the heads")

    @property
    def inner(self) -> int:
        """Inner size of the MLP."""
        return self.feedforward or 4 * self.hidden

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return self.groups or self.heads

    @property
    def head_size(self) -> int:
        """Elements of one head."""
        return self.head or self.hidden // self.heads

    @property
    def attended(self) -> int:
        """Columns of all heads together, which the projection takes."""
        return self.heads * self.head_size

    @property
    def projected(self) -> int:
        """Columns of queries, keys and values together."""
        return (self.heads + 2 * self.kv_heads) * self.head_size

    def layer_weights(self, tensor: int = 1) -> float:
        """Parameters of one layer on one of `tensor` ranks: matrices and column biases are cut, the rest is whole."""
        mlp = (3 if self.gated else 2) * self.hidden * self.inner
        cut = self.hidden * self.projected + self.attended * self.hidden + mlp
        biases = self.projected + (2 if self.gated else 1) * self.inner
        return (cut + biases) / tensor + 6 * self.hidden

    def embedding_weights(self, tensor: int = 1) -> float:
        """Parameters of the table of words, cut along it."""
        return self.vocabulary * self.hidden / tensor


class Transformer(Workload):
    """A decoder stack that reads `queries` tokens of a sequence at a time: all of them (training, prefill), or one."""

    def __init__(self, name: str, shape: Architecture, dtype: str, queries: int = 0) -> None:
        tables = shape.embedding_weights() * (1 if shape.tied else 2)
        total = shape.layers * shape.layer_weights() + tables + shape.sequence * shape.hidden
        tied = shape.embedding_weights() if shape.tied else 0.0
        super().__init__(name, dtype, shape.layers, total, queries or shape.sequence, tied)
        self.shape, self.queries = shape, queries or shape.sequence

    def refusal(self, cut: Cut) -> str:
        shape, tensor = self.shape, cut.tensor
        if shape.kv_heads % tensor or shape.heads % tensor:
            return f"{tensor} tensor ranks do not divide {shape.kv_heads} heads"
        if cut.sequence and self.queries % tensor:
            return f"{tensor} ranks do not divide a sequence of {self.queries}"
        return ""

    def make(self, cut: Cut) -> tuple[Block, Block, Block]:
        """Head (embedding), a layer, and tail (norm, logits, loss)."""
        element = BYTES[self.dtype]
        tokens = cut.samples * self.queries
        stream = tokens * self.shape.hidden * element
        whole = stream / cut.tensor if cut.sequence else stream
        weights = self.shape.layer_weights(cut.tensor)
        keys = 2 * cut.samples * self.shape.sequence * (self.shape.kv_heads // cut.tensor) * self.shape.head_size
        layer = Block(tuple(self._layer(cut, tokens, stream, whole)), weights, whole, keys * element)
        return self._head(cut, stream, whole), layer, self._tail(cut, tokens, stream, whole)

    # ---- head and tail

    def _head(self, cut: Cut, stream: float, whole: float) -> Block:
        dropped = 2 * whole + whole / BYTES[self.dtype] * MASK if self.shape.dropout else 0.0
        steps: list[Step] = [Stream("embedding", 2 * stream + dropped, 2 * stream + dropped, saved=0.0)]
        if cut.tensor > 1:
            steps.append(_leave(cut, stream))
        positions = self.shape.sequence * self.shape.hidden
        return Block(tuple(steps), self.shape.embedding_weights(cut.tensor) + positions, whole)

    def _tail(self, cut: Cut, tokens: int, stream: float, whole: float) -> Block:
        shape = self.shape
        words = -(-shape.vocabulary // cut.tensor)
        logits = float(tokens * words)
        steps: list[Step] = [norm(whole, BYTES[self.dtype])]
        if cut.tensor > 1:
            steps.append(_enter(cut, stream))
        steps += [
            Product("logits", 1, tokens, words, shape.hidden, weights=True, saved=whole),
            Stream("loss", LOSS_FORWARD * logits, LOSS_BACKWARD * logits, 3 * logits, logits, saved=SUM * logits),
        ]
        return Block(tuple(steps), shape.embedding_weights(cut.tensor), 0.0)

    # ---- a layer

    def _layer(self, cut: Cut, tokens: int, stream: float, whole: float) -> Iterator[Step]:
        yield norm(whole, BYTES[self.dtype])
        if cut.tensor > 1:
            yield _enter(cut, stream)
        yield from self._attention(cut, tokens, whole)
        if cut.tensor > 1:
            yield _leave(cut, stream)
        yield self._residual(whole)
        yield norm(whole, BYTES[self.dtype])
        if cut.tensor > 1:
            yield _enter(cut, stream)
        yield from self._mlp(cut, tokens, whole)
        if cut.tensor > 1:
            yield _leave(cut, stream)
        yield self._residual(whole)

    def _attention(self, cut: Cut, tokens: int, whole: float) -> Iterator[Step]:
        shape, element = self.shape, BYTES[self.dtype]
        columns = shape.projected // cut.tensor
        inside = shape.attended // cut.tensor
        local = tokens * inside * element
        yield Product("queries, keys, values", 1, tokens, columns, shape.hidden, weights=True, saved=whole)
        yield Stream("gradients of heads and bias", 0.0, 3 * tokens * columns * element)
        yield from self._core(cut, tokens, columns * tokens * element)
        yield Stream("gather heads", 2 * local, 2 * local, saved=local)
        yield Product("projection", 1, tokens, shape.hidden, inside, weights=True)

    def _core(self, cut: Cut, tokens: int, kept: float) -> Iterator[Step]:
        """Scores, softmax and values; scores count `heads x queries x sequence` elements for each sample. The queries
        of heads that read keys together make one product."""
        shape, element = self.shape, BYTES[self.dtype]
        heads = shape.heads // cut.tensor
        readers = shape.kv_heads // cut.tensor if shape.shared_reads else heads
        count = float(heads) * tokens * shape.sequence
        scores = count * element
        batch, rows = cut.samples * readers, heads // readers * self.queries
        fused = shape.fused_attention
        inside = float(rows * shape.sequence) if fused else 0.0
        to = Product("scores", batch, rows, shape.sequence, shape.head_size, saved=kept, core=not fused, on_chip=inside)
        back = Product("weighted values", batch, rows, shape.head_size, shape.sequence, core=not fused, on_chip=inside)
        if fused:
            moved = kept + tokens * heads * shape.head_size * element
            yield from (to, back, Stream("softmax", moved, 2 * moved, 2 * count, count))
            return
        yield to
        yield softmax(count, element)
        if shape.dropout:
            mask = count * MASK
            moved = 2 * scores + mask
            yield Stream("attention dropout", moved, moved, count, saved=scores + mask, core=True)
        yield back

    def _mlp(self, cut: Cut, tokens: int, whole: float) -> Iterator[Step]:
        shape, element = self.shape, BYTES[self.dtype]
        inner = -(-shape.inner // cut.tensor)
        columns = 2 * inner if shape.gated else inner
        wide, narrow = tokens * columns * element, tokens * inner * element
        yield Product("expansion", 1, tokens, columns, shape.hidden, weights=True, saved=whole)
        count = float(tokens * inner)
        yield activation(count, wide, narrow)
        yield Product("contraction", 1, tokens, shape.hidden, inner, weights=True, saved=narrow)

    def _residual(self, whole: float) -> Stream:
        """Bias, dropout and residual in one kernel; backward, dropout, the bias's sum and the residual's sum."""
        mask = whole / BYTES[self.dtype] * MASK if self.shape.dropout else 0.0
        return Stream("bias, dropout, residual", 3 * whole + mask, 6 * whole + mask, saved=mask)


def softmax(count: float, element: float) -> Stream:
    """Softmax of `count` scores of `element` bytes: reads and writes; backward reads probability and gradient."""
    scores = count * element
    return Stream("softmax", 2 * scores, 3 * scores, 2 * count, count, saved=scores, core=True)


def activation(count: float, wide: float, narrow: float) -> Stream:
    """Activation that makes `count` elements: reads `wide` bytes and writes `narrow`."""
    return Stream("activation", wide + narrow, 3 * wide + narrow, 6 * count, count, saved=wide)


def norm(whole: float, element: float) -> Stream:
    """Normalisation of `whole` bytes: reads and writes; backward reads gradient and input, for scale and shift once
    more."""
    count = whole / element
    return Stream("norm", 2 * whole, 5 * whole, 6 * count, saved=whole)


def _enter(cut: Cut, stream: float) -> Exchange:
    """In front of a column-cut product: rows are gathered; without sequence parallelism only gradients are summed."""
    if cut.sequence:
        return Exchange("all_gather", stream, "reduce_scatter")
    return Exchange("", stream, "all_reduce")


def _leave(cut: Cut, stream: float) -> Exchange:
    """Behind a row-cut product: partial sums are added."""
    if cut.sequence:
        return Exchange("reduce_scatter", stream, "all_gather", hidden=False)
    return Exchange("all_reduce", stream, "")
